"""Reads the polygons of local vector files for `mosaic run --area`.

A child process reads them, with the formats and limits of uploads.
"""

import glob
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mosaic_crds.errors import RequestError

from mosaic_api.datasets.reader.formats import HEAD_BYTES, format_of
from mosaic_api.datasets.reader.job import Job
from mosaic_api.datasets.reader.launcher import convert
from mosaic_api.datasets.reader.zips import PARTS
from mosaic_api.web.problems import Invalid

LARGEST_FILE = 2**30
"""Bytes."""


def read_vectors(path: Path) -> Any:
    """The polygons of a vector file as one GeoJSON geometry in degrees.

    Raises:
        RequestError: the file is unreadable, or has other features than polygons or too many vertices.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise RequestError(f"{path} is larger than {LARGEST_FILE // 2**30} GiB, the limit for vector files")
    with TemporaryDirectory(prefix="mosaic-area-") as folder:
        try:
            source = _zipped(path, Path(folder)) if path.suffix.lower() == ".shp" else path
            with source.open("rb") as file:
                kind = format_of(file.read(HEAD_BYTES))
            if kind.kind != "vector":
                raise RequestError(f"{path} is an image ({kind.name}); an area needs a file of polygons")
            original = Path(folder) / f"original{kind.suffix}"
            shutil.copyfile(source, original)
            outcome = str(Path(folder) / "outcome.json")
            read = convert(
                Job(path=str(original), name=path.stem, format=kind.name, max_pixels=0, area=True, outcome=outcome)
            )
        except (Invalid, RequestError) as error:
            text = str(error)
            raise RequestError(
                text if text.startswith(str(path)) else f"{path}: {text.removeprefix('file: ')}"
            ) from None
    left_out = read.details["leftOut"]
    if left_out:
        raise RequestError(f"{path} has features that are not polygons ({left_out}); an area needs polygons only")
    return read.footprint


def _zipped(path: Path, folder: Path) -> Path:
    """A zip of a Shapefile and the files that belong to it, as for an upload."""
    zipped = folder / "shapefile.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for file in path.parent.glob(f"{glob.escape(path.stem)}.*"):
            if file.suffix.lower() in PARTS:
                archive.write(file, file.name)
    return zipped
