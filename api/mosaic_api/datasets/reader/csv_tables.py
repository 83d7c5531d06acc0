"""Reads CSV tables: each row is a feature, whose geometry is in columns with known names.

Separators are commas, semicolons, tabs or bars. Numbers may have decimal commas unless the comma is the separator.
"""

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.projection import WGS84
from numpy.typing import NDArray

from mosaic_api.datasets.reader.features import MOST_FIELDS, Parsed, shown

SEPARATORS = ",;\t|"
LONGEST_LINE = 2**20
"""Characters of the first line."""
LONGEST_CELL = 16 * 2**20
"""Characters of one value; polygons are long."""
PIECE_BYTES = 2**20
PAIRS = (
    ("lon", "lat"),
    ("long", "lat"),
    ("lng", "lat"),
    ("longitude", "latitude"),
    ("decimallongitude", "decimallatitude"),
    ("locationlong", "locationlat"),
    ("x", "y"),
    ("pointx", "pointy"),
    ("xcoord", "ycoord"),
)
"""Names of columns; the first pair that exists is used. Only letters and digits are compared."""
GEOMETRIES = ("wkt", "wktgeom", "geometry", "geom", "thegeom", "shape")
NAMES_TAKEN = "lon and lat, longitude and latitude, x and y (degrees, WGS 84), or WKT"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
_IN_PARENTHESES = re.compile(r"[(\[].*?[)\]]")
_NO_LETTER = re.compile(r"[\W_]+")
_AROUND = re.compile(r"^gps|(degrees|deg|dd|wgs84)$")
"""Additions to the name of a coordinate, such as in latitude_deg."""
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line of files that name their separator for Excel."""
_WKT = re.compile(
    r"\s*(?:SRID=(?P<srid>\d{1,6});)?\s*(?P<wkt>(?:(?:MULTI)?(?:POINT|LINESTRING|POLYGON)|GEOMETRYCOLLECTION)"
    r"\s*(?:Z|M|ZM)?\s*(?:\(|EMPTY).*)",
    re.IGNORECASE | re.DOTALL,
)
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d{0,17})")
_CODE = re.compile(r"[-+]?0\d+")
"""Leading zeros would be lost in a number."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")


@dataclass(frozen=True)
class Table:
    """The rows of a table that are not empty.

    Attributes:
        names: of the columns, unique.
        rows: one text for each column.
        lines: the line in the file, from 1, in which each row ends.
        decimal_comma: whether numbers may have one.
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]
    decimal_comma: bool

    def column(self, number: int) -> list[str]:
        """The texts of a column."""
        return [row[number] for row in self.rows]

    def number(self, text: str) -> float | None:
        """The number in a text, which may have a decimal comma; None if it is not a number."""
        plain = text.strip().replace("\N{MINUS SIGN}", "-")
        if self.decimal_comma and plain.count(",") == 1 and "." not in plain:
            plain = plain.replace(",", ".")
        return float(plain) if _NUMBER.fullmatch(plain) else None


def read_table(path: Path, most: int) -> Parsed:
    """Read the features of a table with at most so many rows.

    Raises:
        RequestError: it has no coordinates, an invalid row, or too many rows.
    """
    try:
        with path.open(encoding=_encoding(path), errors="replace", newline="") as file:
            table = _read(file, most)
    except csv.Error as error:
        raise RequestError(f"file: the CSV cannot be read: {error}") from None
    written = _wkt_column(table)
    if written is not None:
        geometries, crs = _of_wkt(table, written)
        left_out = {written}
    else:
        geometries, crs, left_out = _of_pair(table, *_pair(table.names)), WGS84, set()
    kept = [number for number in range(len(table.names)) if number not in left_out][:MOST_FIELDS]
    return Parsed.of(geometries, {table.names[number]: _values(table, number) for number in kept}, crs)


def _encoding(path: Path) -> str:
    """UTF-8, or the encoding that Windows programs use instead."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece := file.read(PIECE_BYTES):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _read(file: Any, most: int) -> Table:
    """The rows of an open file."""
    csv.field_size_limit(LONGEST_CELL)
    first = file.readline(LONGEST_LINE)
    declared = _SEP.fullmatch(first)
    separator = declared[1] if declared else _separator(first)
    if not declared:
        file.seek(0)
    rows = csv.reader(file, delimiter=separator, skipinitialspace=True)
    names = _unique(next((row for row in rows if any(row)), []))
    table = Table(names, [], [], decimal_comma=separator != ",")
    for row in rows:
        line = rows.line_num + bool(declared)
        if not any(cell.strip() for cell in row):
            continue
        if any(cell.strip() for cell in row[len(names) :]):
            raise RequestError(
                f"file: line {line} has {len(row)} values, and the first line names {len(names)} columns; put quotes "
                "around values that contain the separator, such as numbers with a decimal comma"
            )
        if len(table.rows) == most:
            raise RequestError(f"file: it has more than {most:,} features; split it, or leave some out")
        table.rows.append([*row, *[""] * (len(names) - len(row))][: len(names)])
        table.lines.append(line)
    return table


def _separator(line: str) -> str:
    """The separator of a first line: the one that yields coordinates, or else the most names."""

    def rank(separator: str) -> tuple[bool, int]:
        names = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        plain = [_plain(name) for name in names]
        found = any(name in GEOMETRIES for name in plain) or any(set(pair) <= set(plain) for pair in PAIRS)
        return found, len(names)

    return max(SEPARATORS, key=rank)


def _unique(names: Sequence[str]) -> list[str]:
    """Names of columns; repeated ones get a number."""
    found: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        plain = name.strip() or f"column {number}"
        found[plain if plain not in found else f"{plain} ({number})"] = None
    return list(found)


def _plain(name: str) -> str:
    return _AROUND.sub("", _NO_LETTER.sub("", _IN_PARENTHESES.sub("", name)).lower())


def _wkt_column(table: Table) -> int | None:
    """The column with WKT geometries."""
    for number, name in enumerate(table.names):
        if _plain(name) in GEOMETRIES:
            first = next((cell for cell in table.column(number) if cell.strip()), "")
            if _WKT.fullmatch(first):
                return number
    return None


def _pair(names: Sequence[str]) -> tuple[int, int]:
    """The columns of longitude and latitude."""
    plain = [_plain(name) for name in names]
    for longitude, latitude in PAIRS:
        if longitude in plain and latitude in plain:
            return plain.index(longitude), plain.index(latitude)
    found = ", ".join(repr(name[:40]) for name in names[:10])
    raise RequestError(f"file: the CSV has no columns of coordinates: name them {NAMES_TAKEN}; its columns are {found}")


def _of_pair(table: Table, longitude: int, latitude: int) -> NDArray[np.object_]:
    """Points of two columns, (n,); None if a value is missing."""
    places = np.full((len(table.rows), 2), np.nan)
    for column, limit in ((0, 360.0), (1, 90.0)):
        number = (longitude, latitude)[column]
        for row, text in enumerate(table.column(number)):
            if text.strip().lower() in MISSING:
                continue
            value = table.number(text)
            if value is None or abs(value) > limit:
                reason = "not a number" if value is None else f"beyond {limit:g} degrees"
                raise RequestError(
                    f"file: line {table.lines[row]}: {table.names[number][:40]} is {text[:40]!r}, which is {reason}; a "
                    "CSV has no coordinate system, so use decimal degrees (WGS 84), or WKT with its SRID"
                )
            places[row, column] = value
    found = np.full(len(places), None, dtype=object)
    there = np.isfinite(places).all(axis=1)
    found[there] = shapely.points(places[there])
    return found


def _of_wkt(table: Table, number: int) -> tuple[NDArray[np.object_], str]:
    """The geometries of a WKT column, (n,), and their CRS."""
    texts: list[str | None] = []
    systems: set[str | None] = set()
    for text, line in zip(table.column(number), table.lines, strict=True):
        if text.strip().lower() in MISSING:
            texts.append(None)
            continue
        found = _WKT.fullmatch(text)
        if found is None:
            raise RequestError(f"file: line {line}: {text[:40]!r} is not WKT, such as POINT (-123.4 48.4)")
        texts.append(found["wkt"])
        systems.add(found["srid"])
    if len(systems) > 1:
        raise RequestError("file: the geometries of the CSV have several SRIDs; use one")
    geometries = shapely.from_wkt(np.array(texts, object), on_invalid="ignore")
    for wkt, geometry, line in zip(texts, geometries, table.lines, strict=True):
        if wkt is not None and geometry is None:
            raise RequestError(f"file: line {line}: the WKT {wkt[:40]!r} is invalid")
    srid = next(iter(systems), None)
    return shapely.force_2d(geometries), WGS84 if srid in {None, "4326"} else f"EPSG:{srid}"


def _values(table: Table, number: int) -> list[Any]:
    """The values of a column as JSON: numbers if all are."""
    texts = [None if text.strip().lower() in MISSING else text.strip() for text in table.column(number)]
    if all(_WHOLE.fullmatch(text) for text in texts if text is not None):
        return [None if text is None else int(text) for text in texts]
    numbers = [None if text is None or _CODE.fullmatch(text) else table.number(text) for text in texts]
    if all(value is not None for text, value in zip(texts, numbers, strict=True) if text is not None):
        return [shown(value) for value in numbers]
    return [shown(text) for text in texts]
