"""Unpacks vector files from a zip: only members with known suffixes, under new names."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from stat import S_ISLNK

from mosaic_crds.errors import RequestError

from mosaic_api.datasets.reader.formats import (
    CSV,
    GEOJSON,
    GEOPACKAGE,
    GPX,
    KML,
    SEQUENCE,
    SHAPEFILE,
    VECTORS_TAKEN,
    Format,
)

PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
NEEDED = (".shp", ".shx", ".dbf")
SINGLE = (
    (".gpkg", GEOPACKAGE),
    (".kml", KML),
    (".geojson", GEOJSON),
    (".json", GEOJSON),
    (".geojsonl", SEQUENCE),
    (".geojsons", SEQUENCE),
    (".ndjson", SEQUENCE),
    (".gpx", GPX),
    (".csv", CSV),
    (".tsv", CSV),
)
"""Files that are complete alone. Only the first kind in a zip is read, Shapefiles first; the rest are notes."""
MOST_MEMBERS = 1000
MOST_LAYERS = 50
LARGEST_UNPACKED = 2 * 2**30
LARGEST_RATIO = 200
"""Unpacked to packed bytes; a table of blanks comes near 100."""
PIECE_BYTES = 2**20


def unpack(path: Path, folder: Path) -> list[tuple[str, Path, Format]]:
    """Unpack the vector files of a zip into an empty folder.

    Returns:
        Name, path and format of each; for a Shapefile the path of its .shp.

    Raises:
        RequestError: the zip has none, or has members that are not allowed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            left = min(LARGEST_UNPACKED, LARGEST_RATIO * path.stat().st_size)
            members = dict(_members(archive))
            layers = _shapefiles(members) or _files(members)
            if len(layers) > MOST_LAYERS:
                raise RequestError(f"file: the zip has {len(layers)} vector files; at most {MOST_LAYERS} are allowed")
            made = []
            for number, (place, (kind, parts)) in enumerate(layers.items()):
                for suffix, member in parts.items():
                    left = _inflate(archive, member, folder / f"{number}{suffix}", left)
                made.append((place.stem, folder / f"{number}{next(iter(parts))}", kind))
            return made
    except (OSError, RuntimeError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise RequestError(f"file: the zip cannot be read ({error}); it is damaged or encrypted") from None


Layers = dict[PurePosixPath, tuple[Format, dict[str, zipfile.ZipInfo]]]
"""By path in the zip: their format, and their parts by suffix, the main one first."""


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """The files in a zip, without those that macOS adds; refuse too many, or paths that lead out of it."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise RequestError(f"file: the zip has {len(members)} members; at most {MOST_MEMBERS} are allowed")
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or S_ISLNK(member.external_attr >> 16):
            raise RequestError(f"file: the zip's member {member.filename!r} leads out of it; zip the plain files again")
        if "__MACOSX" not in place.parts and not member.is_dir():
            yield place, member


def _shapefiles(members: dict[PurePosixPath, zipfile.ZipInfo]) -> Layers:
    """The Shapefiles of a zip; refuse an incomplete one."""
    layers: Layers = {}
    for place in members:
        if place.suffix.lower() != ".shp":
            continue
        beside = {other.suffix.lower(): member for other, member in members.items() if _alike(other, place)}
        missing = [suffix for suffix in NEEDED if suffix not in beside]
        if missing:
            raise RequestError(f"file: the Shapefile {place.stem!r} lacks its {missing[0]}; add it to the zip")
        layers[place] = SHAPEFILE, {suffix: beside[suffix] for suffix in PARTS if suffix in beside}
    return layers


def _alike(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one.with_suffix("") == other.with_suffix("")


def _files(members: dict[PurePosixPath, zipfile.ZipInfo]) -> Layers:
    """The files of the first supported kind in a zip."""
    for _, kind in SINGLE:
        suffixes = {suffix for suffix, its_kind in SINGLE if its_kind is kind}
        layers: Layers = {
            place: (kind, {place.suffix.lower(): member})
            for place, member in members.items()
            if place.suffix.lower() in suffixes
        }
        if layers:
            return layers
    raise RequestError(f"file: the zip has no supported vector file: {VECTORS_TAKEN}")


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpack a member; return how many bytes are still allowed. The size in its header may be wrong."""
    with archive.open(member) as packed, target.open("wb") as file:
        while piece := packed.read(PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise RequestError("file: the zip unpacks to far more than its size suggests, and is refused")
            file.write(piece)
    return left
