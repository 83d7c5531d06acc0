"""`mosaic fetch`: a mosaic's files, from wherever it was made."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mosaic_crds.files import ITEM

from mosaic_api.commands.choosing import place_of, with_place

if TYPE_CHECKING:
    from rich.progress import Progress

    from mosaic_api.commands.place import Place, Seen

_CHECKSUM = re.compile(r"1220(?P<sha256>[0-9a-f]{64})")
"""A SHA-256 as a multihash, as an Item has it."""
_NAME = re.compile(r"[a-z]+\.[a-z]{3,4}")


@dataclass(frozen=True)
class File:
    """A file of a mosaic, as its Item tells of it.

    Attributes:
        name: in the folder of the mosaic.
        size: bytes.
        sha256: of its content, hexadecimal.
    """

    name: str
    size: int
    sha256: str


@click.command()
@click.argument("name")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="[default: NAME]")
@with_place
def fetch(name: str, folder: Path | None, server: str | None, context: str | None, namespace: str | None) -> None:
    """Fetch the files of the mosaic with a NAME or an id: COG, PNG, thumbnail and STAC Item.

    What was fetched before is not fetched again, and a file that was interrupted goes on where it stopped.
    """
    from mosaic_crds.errors import RequestError
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    place = place_of(server, context, namespace)
    seen = place.find(name)
    if not seen.status.get("result"):
        raise RequestError(f"{seen.name} has no result ({seen.phase}): {seen.message or 'wait until it is made'}")
    folder = folder or Path(seen.name)
    with place.pieces(seen, ITEM.name, 0) as pieces:
        published = _small(pieces)
    files = list(_files(published))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            for file in files:
                click.echo(_fetched(place, seen, folder, file, bar))
        (folder / ITEM.name).write_bytes(published)  # last, as in the store
    except OSError as error:
        raise RequestError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    click.echo(folder / ITEM.name)


def _small(pieces: Iterator[bytes]) -> bytes:
    """The content of a document, of which no more is read than a document may have."""
    from mosaic_crds.json_input import LARGEST_JSON

    content = bytearray()
    while len(content) <= LARGEST_JSON and (piece := next(pieces, b"")):
        content += piece
    return bytes(content)


def _files(published: bytes) -> Iterator[File]:
    """The files that an Item tells of; whoever sent it may not name any others.

    Raises:
        RequestError: it is no Item of a mosaic.
    """
    from mosaic_crds.errors import RequestError
    from mosaic_crds.json_input import parse_json

    try:
        for asset in parse_json(published, ITEM.name)["assets"].values():
            name, checksum = asset["href"].removeprefix("./"), _CHECKSUM.fullmatch(asset["file:checksum"])
            size = asset["file:size"]
            if checksum is None or not _NAME.fullmatch(name) or not isinstance(size, int):
                raise ValueError(name)
            yield File(name, size, checksum["sha256"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise RequestError(f"what was sent as {ITEM.name} is no Item of a mosaic; update this program") from None


def _fetched(place: "Place", seen: "Seen", folder: Path, asset: File, bar: "Progress") -> Path:
    """A file of a mosaic, whole, and with the checksum that its Item tells.

    Raises:
        PassingError: it has not; the same command goes on with it, or begins it anew.
    """
    from mosaic_crds.errors import PassingError

    file, size, digest = asset.name, asset.size, asset.sha256
    target, part = folder / file, folder / f".{file}.{digest[:16]}.part"
    if target.exists() and target.stat().st_size == size and _digest(target) == digest:
        return target
    task = bar.add_task(file, total=size)
    start = part.stat().st_size if part.exists() else 0
    bar.update(task, completed=start)
    if start < size:
        with part.open("ab") as written, place.pieces(seen, file, start) as pieces:
            for piece in pieces:
                written.write(piece)
                bar.update(task, advance=len(piece))
                if written.tell() > size:
                    break  # that is no file of this Item, and may have no end
    if part.stat().st_size < size:
        raise PassingError(f"{file} came in part only; the same command goes on with it")
    if _digest(part) != digest:
        part.unlink()
        raise PassingError(f"{file} came with other bytes than its Item tells; the same command fetches it anew")
    part.replace(target)
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
