"""Vector files in a zip, in the child process: only members that are known are unpacked, under names of our own."""

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
"""Files that are whole by themselves. A zip is read for the first kind that it has, Shapefiles before all: what else is
in it are notes."""
MOST_MEMBERS = 1000
MOST_LAYERS = 50
LARGEST_UNPACKED = 2 * 2**30
LARGEST_RATIO = 200
"""Of the unpacked bytes to the packed ones; a table of blanks comes near 100."""
PIECE_BYTES = 2**20


def unpack(path: Path, folder: Path) -> list[tuple[str, Path, Format]]:
    """Unpack the vector files of a zip.

    Args:
        path: of the zip.
        folder: an empty one.

    Returns:
        The name, the path and the format of each; of a Shapefile the path of its .shp.

    Raises:
        RequestError: it holds none, or what it must not hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            left = min(LARGEST_UNPACKED, LARGEST_RATIO * path.stat().st_size)
            members = dict(_members(archive))
            layers = _shapefiles(members) or _files(members)
            if len(layers) > MOST_LAYERS:
                raise RequestError(f"file: the zip holds {len(layers)} vector files; at most {MOST_LAYERS} are taken")
            made = []
            for number, (place, (kind, parts)) in enumerate(layers.items()):
                for suffix, member in parts.items():
                    left = _inflate(archive, member, folder / f"{number}{suffix}", left)
                made.append((place.stem, folder / f"{number}{next(iter(parts))}", kind))
            return made
    except (OSError, RuntimeError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise RequestError(f"file: the zip cannot be read ({error}); it is damaged or encrypted") from None


Layers = dict[PurePosixPath, tuple[Format, dict[str, zipfile.ZipInfo]]]
"""By their place in the zip: what they are, and their parts by suffix, the main one first."""


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """The files in a zip, without those that macOS adds.

    Raises:
        RequestError: there are too many, or one leads out of the zip.
    """
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise RequestError(f"file: the zip has {len(members)} members; at most {MOST_MEMBERS} are taken")
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or S_ISLNK(member.external_attr >> 16):
            raise RequestError(f"file: the zip's member {member.filename!r} leads out of it; zip the plain files anew")
        if "__MACOSX" not in place.parts and not member.is_dir():
            yield place, member


def _shapefiles(members: dict[PurePosixPath, zipfile.ZipInfo]) -> Layers:
    """Those of a zip.

    Raises:
        RequestError: one is not whole.
    """
    layers: Layers = {}
    for place in members:
        if place.suffix.lower() != ".shp":
            continue
        beside = {other.suffix.lower(): member for other, member in members.items() if _alike(other, place)}
        missing = [suffix for suffix in NEEDED if suffix not in beside]
        if missing:
            raise RequestError(f"file: the Shapefile {place.stem!r} in the zip lacks its {missing[0]}; zip it with it")
        layers[place] = SHAPEFILE, {suffix: beside[suffix] for suffix in PARTS if suffix in beside}
    return layers


def _alike(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one.with_suffix("") == other.with_suffix("")


def _files(members: dict[PurePosixPath, zipfile.ZipInfo]) -> Layers:
    """The files of the first kind that a zip has.

    Raises:
        RequestError: it has none.
    """
    for _, kind in SINGLE:
        suffixes = {suffix for suffix, its_kind in SINGLE if its_kind is kind}
        layers: Layers = {
            place: (kind, {place.suffix.lower(): member})
            for place, member in members.items()
            if place.suffix.lower() in suffixes
        }
        if layers:
            return layers
    raise RequestError(f"file: the zip holds no vector file that is taken: {VECTORS_TAKEN}")


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpack a member; how many bytes may still be unpacked after it. What its header says of its size may be a lie."""
    with archive.open(member) as packed, target.open("wb") as file:
        while piece := packed.read(PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise RequestError("file: the zip unpacks to far more than it seems to hold, and is not taken")
            file.write(piece)
    return left
