"""Detects the format of a file by its first bytes, because its name proves nothing."""

import re
from dataclasses import dataclass

from mosaic_crds.errors import RequestError

HEAD_BYTES = 4096
"""Number of first bytes that are needed."""


@dataclass(frozen=True)
class Format:
    """A supported file format.

    Attributes:
        name: for messages.
        kind: of its datasets: image or vector.
        suffix: of the file in the store.
        media_type: of its content.
        driver: of GDAL; empty if it is read without GDAL.
        placed: whether it has no georeference, so that the user sets its corners.
        packed: whether it is a zip.
    """

    name: str
    kind: str
    suffix: str
    media_type: str
    driver: str = ""
    placed: bool = False
    packed: bool = False


GEOTIFF = Format("GeoTIFF", "image", ".tif", "image/tiff", "GTiff")
JPEG2000 = Format("JPEG 2000", "image", ".jp2", "image/jp2", "JP2OpenJPEG")
PNG = Format("PNG", "image", ".png", "image/png", "PNG", placed=True)
JPEG = Format("JPEG", "image", ".jpg", "image/jpeg", "JPEG", placed=True)
GEOJSON = Format("GeoJSON", "vector", ".geojson", "application/geo+json", "GeoJSON")
SEQUENCE = Format("GeoJSON sequence", "vector", ".geojsonl", "application/geo+json-seq")
GEOPACKAGE = Format("GeoPackage", "vector", ".gpkg", "application/geopackage+sqlite3", "GPKG")
SHAPEFILE = Format("Shapefile", "vector", ".shp", "application/vnd.shp", "ESRI Shapefile")
KML = Format("KML", "vector", ".kml", "application/vnd.google-earth.kml+xml", "LIBKML")
GPX = Format("GPX", "vector", ".gpx", "application/gpx+xml", "GPX")
CSV = Format("CSV", "vector", ".csv", "text/csv")
KMZ = Format("KMZ", "vector", ".kmz", "application/vnd.google-earth.kmz", packed=True)
ZIP = Format("zip", "vector", ".zip", "application/zip", packed=True)
FORMATS = (GEOTIFF, JPEG2000, PNG, JPEG, GEOJSON, SEQUENCE, GEOPACKAGE, KML, GPX, CSV, KMZ, ZIP)
"""Formats of uploads. A Shapefile is uploaded as a zip."""
IMAGES_TAKEN = "GeoTIFF, JPEG 2000, PNG, JPEG"
VECTORS_TAKEN = (
    "GeoJSON, newline-delimited GeoJSON, GeoPackage, zipped Shapefile or GeoPackage, KML, KMZ, GPX, or CSV with "
    "coordinates"
)

_BEGINNINGS = {
    b"II*\0": GEOTIFF,
    b"MM\0*": GEOTIFF,
    b"II+\0": GEOTIFF,
    b"MM\0+": GEOTIFF,
    b"\0\0\0\x0cjP  \r\n\x87\n": JPEG2000,
    b"\xff\x4f\xff\x51": JPEG2000,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": JPEG,
    b"\x1e": SEQUENCE,
}
_SHP = b"\0\0\x27\x0a"
_ZIP = b"PK\x03\x04"
_NAME_LENGTH, _NAME = slice(26, 28), 30
"""In the header of the first member of a zip."""
_GEOPACKAGE = (b"GPKG", b"GP10", b"GP11")
"""SQLite's application id, at byte 68."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINES_OF_JSON = re.compile(rb"\{[^\n]*\}\s*\n\s*\{")
_LIST_OF_JSON = re.compile(rb"\[\s*[\[{]")
_SEPARATORS = re.compile(r"[,;\t|]")
_GEOMETRY_ALONE = re.compile(r'"?(wkt|geometry|geom|the_geom)"?', re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def format_of(head: bytes) -> Format:
    """The format of a file with these first bytes.

    Raises:
        RequestError: it is not supported.
    """
    for beginning, found in _BEGINNINGS.items():
        if head.startswith(beginning):
            return found
    if head.startswith(_ZIP):
        length = int.from_bytes(head[_NAME_LENGTH], "little")
        return KMZ if head[_NAME : _NAME + length].lower().endswith(b".kml") else ZIP
    if head.startswith(_SHP):
        raise RequestError(
            "file: a .shp is only one part of a Shapefile; upload a zip with its .shp, .shx, .dbf and .prj", "file"
        )
    if head.startswith(b"SQLite format 3\0") and head[68:72] in _GEOPACKAGE:
        return GEOPACKAGE
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    _expect_plain(head, text)
    if text.startswith(b"{"):
        return SEQUENCE if _LINES_OF_JSON.match(text) else GEOJSON
    if text.startswith(b"<"):
        for found in (KML, GPX):
            if re.search(rb"<(\w+:)?" + found.name.lower().encode() + rb"[\s>]", text):
                return found
    elif _is_table(head):
        return CSV
    raise RequestError(f"file: unsupported format; use {IMAGES_TAKEN}, {VECTORS_TAKEN}", "file")


def _expect_plain(head: bytes, text: bytes) -> None:
    """Refuse JSON and XML that could be mistaken for a table."""
    if head.startswith(_UTF16) and _utf16(head).lstrip().startswith(("{", "[", "<")):
        raise RequestError("file: JSON and XML must be in UTF-8, and this is in UTF-16; save it as UTF-8", "file")
    if _LIST_OF_JSON.match(text):
        raise RequestError(
            "file: the JSON is a list, and GeoJSON is one object; put the features into a FeatureCollection, or each "
            "on a line of its own",
            "file",
        )


def _utf16(head: bytes) -> str:
    """The text of these first bytes, which may end within a character."""
    return head[: len(head) // 2 * 2].decode("utf-16", "ignore")


def _is_table(head: bytes) -> bool:
    """Whether a file may be a table: its first line has several columns, or is the name of a geometry column."""
    encodings = ("utf-16",) if head.startswith(_UTF16) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        text = _utf16(head) if encoding == "utf-16" else head.decode(encoding, "ignore")
        first = text.strip().split("\n", 1)[0].strip()
        if first and not _CONTROLS.search(text):
            return bool(_SEPARATORS.search(first) or _GEOMETRY_ALONE.fullmatch(first))
    return False
