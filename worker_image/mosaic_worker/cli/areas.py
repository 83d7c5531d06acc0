"""`--area FILE`: the area of a request from a file of polygons.

GeoJSON is read here. Files of other formats are read by what other packages add by the entry point group
`mosaic.readers`, under the name `vectors`: it takes a path and returns GeoJSON in WGS 84.
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
    help="In place of spec.area: the polygons of a vector file (GeoJSON, GeoPackage, zipped Shapefile, KML …).",
)


def read_area(path: Path) -> dict[str, Any]:
    """The area in a vector file, as `spec.area` has it.

    Raises:
        RequestError: there is no such file, or it has no polygons that can be an area.
    """
    from mosaic_worker.geometry.geojson import area_geometry, other_crs

    document = _geojson(path)
    if document is None or other_crs(document) is not None:
        document = _read_elsewhere(path)
    return {"geometry": area_geometry(document, str(path))}


def _geojson(path: Path) -> object:
    """The GeoJSON object in a file; None where the file holds something else."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_JSON + 1)
    except FileNotFoundError:
        raise RequestError(f"there is no file {path}") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror})") from None
    if not content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return None
    try:
        return parse_json(content, str(path))
    except RequestError:
        return None  # a text of several JSON objects, or too large for this reader


def _read_elsewhere(path: Path) -> Any:
    from importlib.metadata import entry_points

    for entry in entry_points(group=READERS, name=VECTORS):
        return entry.load()(path)
    raise RequestError(f"{path}: only GeoJSON in WGS 84 can be read here; convert the file to that")
