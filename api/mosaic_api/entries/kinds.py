"""What a file is, by its first bytes: a name proves nothing."""

import re
from dataclasses import dataclass

from mosaic_crds.errors import RequestError

HEAD_BYTES = 4096
"""Of a file, by which it is known."""


@dataclass(frozen=True)
class Format:
    """A kind of file that is taken.

    Attributes:
        name: as people call it.
        kind: of the entry that it makes: image or vector.
        suffix: that its name gets in the store.
        media_type: of its content.
        driver: of GDAL, that reads it.
        placed: whether it says nothing of its place, which its corners tell then.
    """

    name: str
    kind: str
    suffix: str
    media_type: str
    driver: str
    placed: bool = False


GEOTIFF = Format("GeoTIFF", "image", ".tif", "image/tiff", "GTiff")
JPEG2000 = Format("JPEG 2000", "image", ".jp2", "image/jp2", "JP2OpenJPEG")
PNG = Format("PNG", "image", ".png", "image/png", "PNG", placed=True)
JPEG = Format("JPEG", "image", ".jpg", "image/jpeg", "JPEG", placed=True)
GEOJSON = Format("GeoJSON", "vector", ".geojson", "application/geo+json", "GeoJSON")
GEOPACKAGE = Format("GeoPackage", "vector", ".gpkg", "application/geopackage+sqlite3", "GPKG")
SHAPEFILE = Format("zipped Shapefile", "vector", ".zip", "application/zip", "ESRI Shapefile")
KML = Format("KML", "vector", ".kml", "application/vnd.google-earth.kml+xml", "LIBKML")
FORMATS = (GEOTIFF, JPEG2000, PNG, JPEG, GEOJSON, GEOPACKAGE, SHAPEFILE, KML)

_BEGINNINGS = {
    b"II*\0": GEOTIFF,
    b"MM\0*": GEOTIFF,
    b"II+\0": GEOTIFF,
    b"MM\0+": GEOTIFF,
    b"\0\0\0\x0cjP  \r\n\x87\n": JPEG2000,
    b"\xff\x4f\xff\x51": JPEG2000,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": JPEG,
    b"PK\x03\x04": SHAPEFILE,
}
_GEOPACKAGE = (b"GPKG", b"GP10", b"GP11")
"""SQLite's application id, at byte 68."""


def format_of(head: bytes) -> Format:
    """The format of a file that begins so.

    Raises:
        RequestError: it is none that is taken.
    """
    for beginning, found in _BEGINNINGS.items():
        if head.startswith(beginning):
            return found
    if head.startswith(b"SQLite format 3\0") and head[68:72] in _GEOPACKAGE:
        return GEOPACKAGE
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return GEOJSON
    if text.startswith(b"<") and re.search(rb"<(\w+:)?kml[\s>]", text):
        return KML
    taken = ", ".join(known.name for known in FORMATS)
    raise RequestError(f"file: the content is of no kind that is taken; send one of {taken}", "file")
