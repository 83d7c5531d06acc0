"""Vector files, in the child process: all layers of a file, made into one GeoJSON that a page can draw.

pyogrio's GDAL here knows only the drivers of the formats that are taken: see child.py.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from defusedxml import DefusedXmlException, ElementTree
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import WGS84
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.crs import CRS
from rasterio.warp import transform

from mosaic_api.entries.boxes import smallest_box
from mosaic_api.entries.job import Outcome
from mosaic_api.entries.kinds import KML, SHAPEFILE, Format
from mosaic_api.entries.zips import MOST_LAYERS, unpack_shapefiles

MOST_FEATURES = 500_000
"""Of a file."""
SHOWN_FEATURES = 20_000
SHOWN_VERTICES = 400_000
SHOWN_BYTES = 16 * 2**20
"""What a page can draw; beyond it, it is shown simplified or in part, and the original is whole."""
MOST_FIELDS = 100
LONGEST_TEXT = 500
"""Letters of an attribute that are shown."""
DIGITS = 7
"""Of a degree: a centimetre."""


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes:
        name: of it.
        geometries: (n,) in degrees; None where a feature has none.
        fields: names of the attributes.
        columns: their values, n of each.
        described: as in the details of an entry.
    """

    name: str
    geometries: NDArray[np.object_]
    fields: list[str]
    columns: list[list[Any]]
    described: dict[str, Any]


def take_vectors(path: Path, name: str, kind: Format, display: Path) -> Outcome:
    """Read a vector file, and write what is shown of it.

    Args:
        path: of the file.
        name: of the layer of a file that does not name it.
        kind: of the file.
        display: path of the GeoJSON to write.

    Raises:
        RequestError: it cannot be used.
    """
    if kind is KML:
        _check_xml(path)
    if kind is SHAPEFILE:
        unpacked = path.parent / "unpacked"
        unpacked.mkdir()
        sources = unpack_shapefiles(path, unpacked)
    else:
        sources = [(name, path)]
    layers: list[Layer] = []
    for own_name, source in sources:
        layers += _layers(source, own_name, kind, MOST_FEATURES - sum(len(layer.geometries) for layer in layers))
    bounds = [shapely.bounds(shapely.get_parts(layer.geometries[_there(layer.geometries)])) for layer in layers]
    boxes = np.concatenate([*bounds, np.empty((0, 4))])
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if len(boxes) == 0:
        raise RequestError("file: there is no feature with a place in it")
    if boxes[:, 1].min() < -90.001 or boxes[:, 3].max() > 90.001:
        raise RequestError("file: there are latitudes beyond 90 degrees; check its coordinate system")
    surrounding = smallest_box(boxes)
    shown = _write(layers, display, _simplified([layer.geometries for layer in layers], boxes))
    described = [layer.described for layer in layers]
    return Outcome(surrounding, surrounding.outline, {"layers": described, "shown": shown})


def _check_xml(path: Path) -> None:
    """Refuse XML whose root is not KML's, or that declares entities, which may unfold without end."""
    try:
        for _, root in ElementTree.iterparse(path, events=("start",), forbid_dtd=True):
            if root.tag.rpartition("}")[2] != "kml":
                raise RequestError("file: the XML is no KML")
            return
    except (ElementTree.ParseError, DefusedXmlException, UnicodeError, ValueError) as error:
        raise RequestError(f"file: the KML cannot be read ({error or 'it declares entities'})") from None


def _layers(source: Path, name: str, kind: Format, most: int) -> Iterator[Layer]:
    try:
        found = [str(layer) for layer, geometry in pyogrio.list_layers(source) if geometry is not None]
        if len(found) > MOST_LAYERS:
            raise RequestError(f"file: there are {len(found)} layers in it; at most {MOST_LAYERS} are taken")
        for layer in found:
            read = _layer(source, layer, name if layer == source.stem else layer, kind, most)
            most -= len(read.geometries)
            yield read
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise RequestError(f"file: the {kind.name} cannot be read: {_one_line(error, source)}") from None


def _layer(source: Path, layer: str, name: str, kind: Format, most: int) -> Layer:
    info = pyogrio.read_info(source, layer=layer)
    if info["driver"] not in {kind.driver, "KML"}:
        raise RequestError(f"file: the content is no {kind.name}")
    if kind is SHAPEFILE and info["crs"] is None:
        raise RequestError(f"file: the Shapefile {name!r} lacks its .prj, which says where it is; zip it with it")
    if info["crs"] is None:
        raise RequestError(f"file: the layer {name!r} does not say its coordinate system; save it with one")
    fields = [str(field) for field in info["fields"][:MOST_FIELDS]]
    meta, _, geometries, columns = pyogrio.raw.read(
        source, layer=layer, columns=fields, force_2d=True, max_features=most + 1, datetime_as_string=True
    )
    if len(geometries) > most:
        raise RequestError(f"file: there are more than {MOST_FEATURES:,} features in it; split it, or leave some out")
    kinds = [str(kind) for kind in meta["ogr_types"]]
    described = {
        "name": _printable(name)[:100],
        "geometry": str(meta["geometry_type"]),
        "features": len(geometries),
        "fields": [
            {"name": _printable(field)[:100], "type": kind.removeprefix("OFT")}
            for field, kind in zip(meta["fields"], kinds, strict=True)
        ],
    }
    values = [_plain(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    in_degrees = _in_degrees(shapely.from_wkb(geometries, on_invalid="ignore"), meta["crs"], name)
    return Layer(_printable(name)[:100], in_degrees, [str(field) for field in meta["fields"]], values, described)


def _in_degrees(geometries: NDArray[np.object_], crs: str, name: str) -> NDArray[np.object_]:
    """Geometries as GeoJSON wants them; None of what has no place on the globe."""
    try:
        theirs = CRS.from_user_input(crs)
    except rasterio.errors.CRSError:
        raise RequestError(f"file: the coordinate system of the layer {name!r} is not understood") from None

    def moved(places: NDArray[np.float64]) -> NDArray[np.float64]:
        if theirs == CRS.from_string(WGS84) or len(places) == 0:
            return places
        return np.column_stack(transform(theirs, CRS.from_string(WGS84), places[:, 0], places[:, 1]))

    found: NDArray[np.object_] = shapely.transform(geometries, lambda places: np.round(moved(places), DIGITS))
    places, owners = shapely.get_coordinates(found, return_index=True)
    found[np.unique(owners[~np.isfinite(places).all(axis=1)])] = None
    return found


def _there(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    there: NDArray[np.bool_] = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    return there


def _simplified(layers: list[NDArray[np.object_]], boxes: NDArray[np.float64]) -> list[NDArray[np.object_]] | None:
    """Geometries of all layers with fewer vertices, so few that they can be shown; None if they are so already."""
    extent = float(max(np.ptp(boxes[:, (0, 2)]), np.ptp(boxes[:, (1, 3)])))
    found, tolerance = None, extent / 2**15
    while sum(int(shapely.get_num_coordinates(each).sum()) for each in found or layers) > SHOWN_VERTICES:
        found = [shapely.simplify(each, tolerance) for each in layers]
        tolerance *= 2
        if tolerance > extent:
            break
    return found


def _write(layers: list[Layer], display: Path, simplified: list[NDArray[np.object_]] | None) -> dict[str, Any]:
    """Write a FeatureCollection; what is shown in it of the file."""
    vertices, features, bytes_left = 0, 0, SHOWN_BYTES
    with display.open("w", encoding="utf-8") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for layer, geometries in zip(layers, simplified or [layer.geometries for layer in layers], strict=True):
            for row in np.flatnonzero(_there(geometries)):
                vertices += int(shapely.get_num_coordinates(geometries[row]))
                properties = {name: column[row] for name, column in zip(layer.fields, layer.columns, strict=True)}
                text = (
                    f'{"," if features else ""}{{"type":"Feature","layer":{json.dumps(layer.name)},'
                    f'"properties":{json.dumps(properties, ensure_ascii=False, allow_nan=False)},'
                    f'"geometry":{shapely.to_geojson(geometries[row])}}}'
                )
                bytes_left -= len(text.encode())
                if features >= SHOWN_FEATURES or vertices > SHOWN_VERTICES or bytes_left < 0:
                    break
                features += 1
                file.write(text)
        file.write("]}")
    of = sum(int(_there(layer.geometries).sum()) for layer in layers)
    return {"features": features, "of": of, "simplified": simplified is not None}


def _plain(column: NDArray[Any], kind: str) -> list[Any]:
    """Attributes as JSON has them."""
    whole = kind in {"OFTInteger", "OFTInteger64"}
    return [_value(value, whole) for value in column.tolist()]


def _value(value: Any, whole: bool = False) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if whole else value  # GDAL's numbers are floats where some are missing
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, np.ndarray | list):
        return [_value(each) for each in (value.tolist() if isinstance(value, np.ndarray) else value)][:MOST_FIELDS]
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def _one_line(error: Exception, source: Path) -> str:
    return " ".join(str(error).replace(str(source), "it").split())[:300]
