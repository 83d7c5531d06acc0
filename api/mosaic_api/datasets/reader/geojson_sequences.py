"""Reads sequences of GeoJSON: one text in each line, or after a record separator (RFC 8142)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import shapely
from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from mosaic_worker.geometry.projection import WGS84
from numpy.typing import NDArray

from mosaic_api.datasets.reader.features import MOST_FIELDS, Parsed, shown

SEPARATOR = b"\x1e"
PIECE_BYTES = 2**20
LONGEST_RECORD = 64 * 2**20
"""Bytes of one text."""
_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some editors write."""
_GEOMETRIES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
}


def is_sequence(path: Path) -> bool:
    """Whether a file that begins as JSON has one text in each line: the first is complete, and others follow."""
    with path.open("rb") as file:
        first = file.readline(LONGEST_RECORD).removeprefix(_MARK).strip()
        while first == b"":
            line = file.readline(LONGEST_RECORD)
            if not line:
                return False
            first = line.strip()
        if not first.endswith(b"}"):
            return False
        while line := file.readline(PIECE_BYTES):
            if line.strip():
                return line.lstrip().startswith(b"{") and _is_json(first)
    return False


def problem_of(path: Path) -> str | None:
    """Why a file is not JSON; None if it is, or if it is too large to check.

    Raises:
        RequestError: more follows after the first object, which GDAL would silently ignore.
    """
    if path.stat().st_size > LONGEST_RECORD:
        return None
    text = path.read_bytes().removeprefix(_MARK).decode("utf-8", "replace").rstrip()
    try:
        _, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (RecursionError, ValueError):  # GDAL refuses or reads it
        return None
    if text[end:].strip("\0"):
        line = text.count("\n", 0, end) + 1
        raise RequestError(
            f"file: more follows after the end of the first JSON object, in line {line}; put the features into one "
            "FeatureCollection, or each on a line of its own without commas between them"
        )
    return None


def read_sequence(path: Path, most: int) -> Parsed:
    """Read the features of a sequence of Features, geometries or FeatureCollections, at most so many.

    Raises:
        RequestError: a text is not GeoJSON, or there are too many features.
    """
    texts: list[str | None] = []
    properties: list[dict[str, Any]] = []
    places: list[str] = []
    for place, record in _records(path):
        for geometry, its_properties in _features(record, place):
            if len(texts) == most:
                raise RequestError(f"file: it has more than {most:,} features; split it, or leave some out")
            texts.append(geometry)
            properties.append(its_properties)
            places.append(place)
    fields = list(dict.fromkeys(name for each in properties for name in each))[:MOST_FIELDS]
    columns = {name: [shown(each.get(name)) for each in properties] for name in fields}
    return Parsed.of(_geometries(texts, places), columns, WGS84)


def _records(path: Path) -> Iterator[tuple[str, bytes]]:
    """The place of each text, for messages, and its bytes."""
    with path.open("rb") as file:
        separated = file.read(1) == SEPARATOR
        file.seek(0)
        pieces = _separated(file) if separated else iter(lambda: file.readline(LONGEST_RECORD + 1), b"")
        for number, piece in enumerate(pieces, 0 if separated else 1):
            place = f"{'record' if separated else 'line'} {number}"
            if len(piece) > LONGEST_RECORD:
                raise RequestError(f"file: {place} has more than {LONGEST_RECORD // 2**20} MiB")
            text = piece.removeprefix(_MARK).strip()
            if text:
                yield place, text


def _separated(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes between record separators, beginning with those before the first one."""
    held = b""
    while piece := file.read(PIECE_BYTES):
        *whole, held = (held + piece).split(SEPARATOR)
        yield from whole
        if len(held) > LONGEST_RECORD:
            break
    yield held


def _features(record: bytes, place: str) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """The geometry, as GeoJSON, and the properties of each feature in a text."""
    try:
        value = parse_json(record, f"file: {place}", LONGEST_RECORD)
    except RequestError as error:
        raise RequestError(str(error).replace(" (line 1: ", " (")) from None  # the line of the file is in `place`
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "FeatureCollection" and isinstance(value.get("features"), list):
        found = value["features"]
    elif kind == "Feature":
        found = [value]
    elif kind in _GEOMETRIES:
        found = [{"geometry": value}]
    else:
        raise RequestError(f"file: {place} is not GeoJSON: its type is not Feature, FeatureCollection or a geometry")
    for feature in found:
        geometry = feature.get("geometry") if isinstance(feature, dict) else {}
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if geometry is not None and not isinstance(geometry, dict):
            raise RequestError(f"file: {place} has a geometry that is not an object")
        yield (
            None if geometry is None else json.dumps(geometry),
            properties if isinstance(properties, dict) else {},
        )


def _geometries(texts: list[str | None], places: list[str]) -> NDArray[np.object_]:
    found: NDArray[np.object_] = shapely.from_geojson(np.array(texts, object), on_invalid="ignore")
    for text, geometry, place in zip(texts, found, places, strict=True):
        if text is not None and geometry is None:
            raise RequestError(f"file: {place} has an invalid geometry")
    flat: NDArray[np.object_] = shapely.force_2d(found)
    return flat


def _is_json(text: bytes) -> bool:
    try:
        parse_json(text, "file", LONGEST_RECORD)
    except RequestError:
        return False
    return True
