"""Which code made a mosaic: part of a result's identity, so that yesterday's code never answers for today's."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import mosaic_crds

DISTRIBUTION = "mosaic-operator"
_PIXEL_LIBRARIES = (
    "numpy", "numexpr", "bottleneck", "rasterio", "shapely", "pillow", "spyndex", "cmap", "zstandard",
)  # fmt: skip


@cache
def code_version() -> str:
    """The distribution's version, and a digest of the sources and of the libraries' versions that pixels depend on."""
    digest = hashlib.sha256()
    for package in (Path(mosaic_crds.__file__).parent, Path(__file__).parent):
        for source in sorted(package.rglob("*.py")):
            digest.update(source.relative_to(package).as_posix().encode())
            digest.update(source.read_bytes())
    for library in _PIXEL_LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    return f"{version(DISTRIBUTION)}+{digest.hexdigest()[:12]}"
