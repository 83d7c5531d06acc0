"""Reads the layers of a vector file: geometries in degrees, and attributes.

pyogrio's GDAL only has the drivers of supported formats (see `__main__.py`). Tables and sequences of GeoJSON are read
without it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from defusedxml import DefusedXmlException, ElementTree
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.projection import WGS84, places_in
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.crs import CRS

from mosaic_api.datasets.reader.csv_tables import read_table
from mosaic_api.datasets.reader.features import MOST_FIELDS, Parsed, shown
from mosaic_api.datasets.reader.formats import CSV, GEOJSON, GEOPACKAGE, GPX, KML, SEQUENCE, SHAPEFILE, Format
from mosaic_api.datasets.reader.geojson_sequences import is_sequence, problem_of, read_sequence
from mosaic_api.datasets.reader.geopackages import check_geopackage
from mosaic_api.datasets.reader.zips import MOST_LAYERS, unpack

MOST_FEATURES = 500_000
"""Of a file."""
EDGE_METRES = 5000.0
"""Length of the pieces of a densified edge: the middle is within about a metre of the straight line in degrees."""
_UNKNOWN = "not recognized as being in a supported file format"
"""Part of pyogrio's message if no driver supports a file."""
_REPEATED = ("route_points", "track_points")
"""Layers in which GDAL repeats the vertices of a GPX file's routes and tracks."""


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes:
        name: of it.
        geometries: (n,) in degrees; None if a feature has none.
        fields: names of the attributes.
        columns: n values of each.
        described: its entry in the details of a dataset.
        geographic: whether the file has longitudes and latitudes.
    """

    name: str
    geometries: NDArray[np.object_]
    fields: Sequence[str]
    columns: Sequence[Sequence[Any]]
    described: dict[str, Any]
    geographic: bool


def read_layers(path: Path, name: str, kind: Format, *, follow: bool = False) -> list[Layer]:
    """Read all layers of a vector file.

    Args:
        path: of the file; a zip is unpacked beside it.
        name: of its layer, if the file has none.
        kind: of the file.
        follow: whether to densify edges that are straight in projected coordinates, and curved in degrees.

    Raises:
        RequestError: the file cannot be used.
    """
    if kind.packed:
        unpacked = path.parent / "unpacked"
        unpacked.mkdir()
        sources = unpack(path, unpacked)
    else:
        sources = [(name, path, kind)]
    layers: list[Layer] = []
    for own_name, source, its_kind in sources:
        most = MOST_FEATURES - sum(len(layer.geometries) for layer in layers)
        layers += _layers(source, own_name, its_kind, most, follow)
    return layers


def there(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Which features have a geometry."""
    found: NDArray[np.bool_] = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    return found


def _layers(source: Path, name: str, kind: Format, most: int, follow: bool) -> Iterator[Layer]:
    if kind is CSV:
        yield _layer(read_table(source, most), name, follow)
    elif kind is SEQUENCE or (kind is GEOJSON and is_sequence(source)):
        yield _layer(read_sequence(source, most), name, follow)
    else:
        if kind in (KML, GPX):
            _check_xml(source, kind)
        if kind is GEOPACKAGE:
            check_geopackage(source)
        problem = problem_of(source) if kind is GEOJSON else None
        yield from _layers_of_gdal(source, name, kind, most, follow, problem)


def _layer(found: Parsed, name: str, follow: bool) -> Layer:
    described = {
        "name": _printable(name)[:100],
        "geometry": found.kind or _kind_of(found.geometries),
        "features": len(found.geometries),
        "fields": [{"name": _printable(field)[:100], "type": kind} for field, kind in found.fields],
    }
    moved, geographic = _in_degrees(found.geometries, found.crs, name, follow)
    fields = [field for field, _ in found.fields]
    return Layer(_printable(name)[:100], moved, fields, found.columns, described, geographic)


def _kind_of(geometries: NDArray[np.object_]) -> str:
    """The type of all geometries; Unknown if they differ."""
    kinds = {geometry.geom_type for geometry in geometries if geometry is not None}
    return kinds.pop() if len(kinds) == 1 else "Unknown"


def _check_xml(path: Path, kind: Format) -> None:
    """Refuse XML with another root element, or with entities, which may expand without end."""
    try:
        for _, root in ElementTree.iterparse(path, events=("start",), forbid_dtd=True):
            if root.tag.rpartition("}")[2] != kind.name.lower():
                raise RequestError(f"file: the XML is not {kind.name}")
            return
    except (ElementTree.ParseError, DefusedXmlException, UnicodeError, ValueError) as error:
        raise RequestError(f"file: the {kind.name} cannot be read ({error or 'it declares entities'})") from None


def _layers_of_gdal(
    source: Path, name: str, kind: Format, most: int, follow: bool, problem: str | None = None
) -> Iterator[Layer]:
    """The layers of a file that GDAL reads. `problem` explains why GDAL may fail."""
    try:
        found = [str(layer) for layer, geometry in pyogrio.list_layers(source) if geometry is not None]
        if kind is GPX:
            found = [layer for layer in found if layer not in _REPEATED]
        if len(found) > MOST_LAYERS:
            raise RequestError(f"file: it has {len(found)} layers; at most {MOST_LAYERS} are allowed")
        for layer in found:
            own_name = name if layer == source.stem else layer
            read = _layer(_of_gdal(source, layer, own_name, kind, most), own_name, follow)
            most -= len(read.geometries)
            if kind is not GPX or len(read.geometries):  # GDAL lists all layers that a GPX file can have
                yield read
    except (DataSourceError, DataLayerError, ValueError) as error:
        reason = problem or _one_line(error, source)
        if _UNKNOWN in reason:
            reason = "it has another structure, or is damaged"
        raise RequestError(f"file: the {kind.name} cannot be read: {reason}") from None


def _of_gdal(source: Path, layer: str, name: str, kind: Format, most: int) -> Parsed:
    info = pyogrio.read_info(source, layer=layer)
    if info["driver"] not in {kind.driver, "KML"}:
        raise RequestError(f"file: the content is not {kind.name}")
    if kind is SHAPEFILE and info["crs"] is None:
        raise RequestError(f"file: the Shapefile {name!r} lacks its .prj with the coordinate system; add it to the zip")
    if info["crs"] is None:
        raise RequestError(f"file: the layer {name!r} has no coordinate system; save it with one")
    fields = [str(field) for field in info["fields"][:MOST_FIELDS]]
    meta, _, geometries, columns = pyogrio.raw.read(
        source, layer=layer, columns=fields, force_2d=True, max_features=most + 1, datetime_as_string=True
    )
    if len(geometries) > most:
        raise RequestError(f"file: it has more than {MOST_FEATURES:,} features; split it, or leave some out")
    kinds = [str(kind) for kind in meta["ogr_types"]]
    return Parsed(
        geometries=shapely.from_wkb(geometries, on_invalid="ignore"),
        fields=[(str(field), kind.removeprefix("OFT")) for field, kind in zip(meta["fields"], kinds, strict=True)],
        columns=[_plain(column, kind) for column, kind in zip(columns, kinds, strict=True)],
        crs=meta["crs"],
        kind=str(meta["geometry_type"]),
    )


def _in_degrees(geometries: NDArray[np.object_], crs: str, name: str, follow: bool) -> tuple[NDArray[np.object_], bool]:
    """Geometries in WGS 84, None for those outside the globe; and whether they were geographic before."""
    try:
        theirs = CRS.from_user_input(crs)
    except rasterio.errors.CRSError:
        raise RequestError(f"file: the coordinate system of the layer {name!r} is not supported") from None
    known = theirs == CRS.from_string(WGS84)
    if follow and theirs.is_projected:
        geometries = shapely.segmentize(geometries, EDGE_METRES / theirs.linear_units_factor[1])
    wkt = theirs.to_wkt()

    def moved(places: NDArray[np.float64]) -> NDArray[np.float64]:
        if known or len(places) == 0:
            return places
        return np.column_stack(places_in(wkt, WGS84, places[:, 0].tolist(), places[:, 1].tolist()))

    found: NDArray[np.object_] = shapely.transform(geometries, moved)
    places, owners = shapely.get_coordinates(found, return_index=True)
    found[np.unique(owners[~np.isfinite(places).all(axis=1)])] = None
    if there(geometries).any() and not there(found).any():
        raise RequestError(
            f"file: no feature of the layer {name!r} can be projected to {WGS84}; check its coordinate system"
        )
    return (found, True) if theirs.is_geographic else (_continuous(found), False)


def _continuous(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Geometries with continuous longitudes, beyond 180 degrees if they cross the antimeridian."""
    west, _, east, _ = shapely.bounds(geometries).T
    wide = np.flatnonzero(east - west > 180)
    for number in wide:
        turned = shapely.transform(geometries[number], lambda places: places + [[360, 0]] * (places[:, :1] < 0))
        west, _, east, _ = turned.bounds
        if east - west < 180:
            geometries[number] = turned
    return geometries


def _plain(column: NDArray[Any], kind: str) -> list[Any]:
    """Attributes as JSON."""
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
    return shown(str(value).encode("utf-8", "replace").decode())


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def _one_line(error: Exception, source: Path) -> str:
    return " ".join(str(error).replace(str(source), "it").split())[:300]
