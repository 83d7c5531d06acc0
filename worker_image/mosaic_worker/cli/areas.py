"""`--area FILE`: the area of a request from a file of polygons.

This module reads GeoJSON. Other packages add a reader of other formats by the entry point group `mosaic.readers`, under
the name `vectors`: it takes a path and returns GeoJSON in WGS 84.
"""

from pathlib import Path
from typing import Any

import click
from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import LARGEST_JSON, parse_json

READERS, VECTORS = "mosaic.readers", "vectors"

area_option = click.option(
    "--area",
    "area_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Vector file with the area, instead of spec.area (GeoJSON, GeoPackage, zipped Shapefile, KML …).",
)


def read_area(path: Path) -> dict[str, Any]:
    """The area in a vector file, in the form of `spec.area`.

    Raises:
        RequestError: the file does not exist, or has no valid polygons.
    """
    from mosaic_worker.geometry.geojson import area_geometry, other_crs

    document = _geojson(path)
    if document is None or other_crs(document) is not None:
        document = _read_elsewhere(path)
    return {"geometry": area_geometry(document, str(path))}


def _geojson(path: Path) -> object:
    """The GeoJSON object in a file; None if the file contains something else."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_JSON + 1)
    except FileNotFoundError:
        raise RequestError(f"file {path} not found") from None
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from None
    if not content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return None
    try:
        return parse_json(content, str(path))
    except RequestError:
        return None  # several JSON objects, or too large for this reader


def _read_elsewhere(path: Path) -> Any:
    from importlib.metadata import entry_points

    for entry in entry_points(group=READERS, name=VECTORS):
        return entry.load()(path)
    raise RequestError(f"{path} is not GeoJSON in WGS 84; convert it, or install the extra `serve` for other formats")
