"""Shapefiles in a zip, in the child process: only the members that are known are unpacked, under names of our own."""

import zipfile
import zlib
from pathlib import Path, PurePosixPath
from stat import S_ISLNK

from mosaic_crds.errors import RequestError

PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
NEEDED = (".shp", ".shx", ".dbf")
MOST_MEMBERS = 1000
MOST_LAYERS = 50
LARGEST_UNPACKED = 2 * 2**30
LARGEST_RATIO = 200
"""Of the unpacked bytes to the packed ones; a table of blanks comes near 100."""
PIECE_BYTES = 2**20


def unpack_shapefiles(path: Path, folder: Path) -> list[tuple[str, Path]]:
    """Unpack the Shapefiles of a zip.

    Args:
        path: of the zip.
        folder: an empty one.

    Returns:
        The name and the path of each .shp.

    Raises:
        RequestError: it holds none, or what it must not hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _unpack(archive, folder, path.stat().st_size)
    except (OSError, RuntimeError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise RequestError(f"file: the zip cannot be read ({error}); it is damaged or encrypted") from None


def _unpack(archive: zipfile.ZipFile, folder: Path, packed: int) -> list[tuple[str, Path]]:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise RequestError(f"file: the zip has {len(members)} members; at most {MOST_MEMBERS} are taken")
    layers: dict[PurePosixPath, dict[str, zipfile.ZipInfo]] = {}
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or S_ISLNK(member.external_attr >> 16):
            raise RequestError(f"file: the zip's member {member.filename!r} leads out of it; zip the plain files anew")
        if place.suffix.lower() in PARTS and "__MACOSX" not in place.parts and not member.is_dir():
            layers.setdefault(place.with_suffix(""), {})[place.suffix.lower()] = member
    layers = {place: parts for place, parts in layers.items() if ".shp" in parts}
    if not layers:
        raise RequestError("file: the zip holds no Shapefile (.shp with .shx and .dbf); of zips only those are taken")
    if len(layers) > MOST_LAYERS:
        raise RequestError(f"file: the zip holds {len(layers)} Shapefiles; at most {MOST_LAYERS} are taken")
    left = min(LARGEST_UNPACKED, LARGEST_RATIO * packed)
    made = []
    for number, (place, parts) in enumerate(layers.items()):
        missing = [suffix for suffix in NEEDED if suffix not in parts]
        if missing:
            raise RequestError(f"file: the Shapefile {place.name!r} in the zip lacks its {missing[0]}; zip it with it")
        for suffix, member in parts.items():
            left = _inflate(archive, member, folder / f"{number}{suffix}", left)
        made.append((place.name, folder / f"{number}.shp"))
    return made


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpack a member; how many bytes may still be unpacked after it. What its header says of its size may be a lie."""
    with archive.open(member) as packed, target.open("wb") as file:
        while piece := packed.read(PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise RequestError("file: the zip unpacks to far more than it seems to hold, and is not taken")
            file.write(piece)
    return left
