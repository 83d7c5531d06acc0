"""The polygons of vector files on the user's own machine, for `mosaic run --area`.

They are read as the page reads the area from a file: by a child process, with the same formats and limits.
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
"""Bytes of a vector file."""


def read_vectors(path: Path) -> Any:
    """The polygons of a vector file as one GeoJSON geometry in degrees.

    Raises:
        RequestError: it is no vector file that can be read, has other features than polygons, or too many vertices.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise RequestError(f"{path} is larger than the {LARGEST_FILE // 2**30} GiB that are read of a vector file")
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
            told = str(error)
            raise RequestError(
                told if told.startswith(str(path)) else f"{path}: {told.removeprefix('file: ')}"
            ) from None
    left_out = read.details["leftOut"]
    if left_out:
        raise RequestError(
            f"{path} has features that are no polygons ({left_out}), which have no area; give polygons alone"
        )
    return read.footprint


def _zipped(path: Path, folder: Path) -> Path:
    """A Shapefile with the files beside it that belong to it, as it is uploaded."""
    zipped = folder / "shapefile.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for file in path.parent.glob(f"{glob.escape(path.stem)}.*"):
            if file.suffix.lower() in PARTS:
                archive.write(file, file.name)
    return zipped
