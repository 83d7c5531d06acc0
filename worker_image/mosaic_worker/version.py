"""The version of the code that computes pixels: other versions must not continue a plan or reuse a result.

This is the code that planning, tiles and finalize import, except the store, which does not change bytes. A module
counts unless UNCOUNTED has it or its package; a test compares the list with the imports.
"""

import hashlib
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

import mosaic_crds

DISTRIBUTION = "mosaic-operator"
UNCOUNTED = {
    "mosaic_crds": {
        "__main__", "allowed", "crd", "lifecycle/messages", "lifecycle/trouble", "lifecycle/writer", "reading",
        "reports", "validation",
    },
    "mosaic_worker": {
        "__main__", "cli", "isolation", "local", "memory", "pod", "sources/kinds/folders", "store", "synthetic",
        "tiles/memory",
    },
}  # fmt: skip
"""Modules and packages without influence on pixels, by root package."""
LIBRARIES = (
    "affine", "bottleneck", "cmap", "numexpr", "numpy", "opencv-python-headless", "pillow", "rasterio", "shapely",
    "spyndex", "zlib-ng", "zstandard",
)  # fmt: skip
"""Distributions that compute or encode pixels."""
DETECTORS = ("lightgbm", "s2cloudless")
"""The same, of an optional extra: their versions are in the plans that need them, and change no other mosaic."""


@cache
def code_version() -> str:
    """The version of the distribution and, after a `+`, the digest of the code that pixels depend on."""
    from importlib.metadata import version  # noqa: PLC0415 (commands start without it)

    return f"{version(DISTRIBUTION)}+{code_digest()}"


def is_this_code(code: str) -> bool:
    """Whether a `code_version` computes the same pixels as this code; the version of the distribution may differ."""
    return code.partition("+")[2] == code_digest()


@cache
def code_digest() -> str:
    """12 hexadecimal digits: a digest of the counted sources and the versions of all libraries."""
    from importlib.metadata import version  # noqa: PLC0415 (commands start without it)

    import rasterio  # noqa: PLC0415
    import shapely  # noqa: PLC0415
    import zstandard  # noqa: PLC0415

    digest = hashlib.sha256()
    for path, source in counted_sources():
        digest.update(f"{path}\n".encode())
        digest.update(source.read_bytes())
    versions = {library: version(library) for library in LIBRARIES} | {
        "GDAL": rasterio.__gdal_version__,
        "GEOS": shapely.geos_version_string,
        "PROJ": rasterio.__proj_version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        "zstd": zstandard.ZSTD_VERSION,
    }
    for name, value in versions.items():
        digest.update(f"{name} {value}\n".encode())
    return digest.hexdigest()[:12]


@cache
def detector_versions() -> tuple[str, ...]:
    """The name and version of each of `DETECTORS` that is installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 (commands start without it)

    found = []
    for library in DETECTORS:
        with suppress(PackageNotFoundError):
            found.append(f"{library} {version(library)}")
    return tuple(found)


def counted_sources() -> list[tuple[str, Path]]:
    """The counted sources in a fixed order: path from the root package, and file."""
    found = []
    for package in (Path(mosaic_crds.__file__).parent, Path(__file__).parent):
        for source in sorted(package.rglob("*.py")):
            inside = source.relative_to(package).with_suffix("")
            uncounted = UNCOUNTED[package.name]
            if not any(part.as_posix() in uncounted for part in (inside, *inside.parents)):
                found.append((f"{package.name}/{inside.as_posix()}", source))
    return found
