"""`mosaic fetch`: download the files of a mosaic from a server or from the store of a cluster."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mosaic_crds.files import ITEM

from mosaic_api.commands.backends.options import with_backend

if TYPE_CHECKING:
    from rich.progress import Progress

    from mosaic_api.commands.backends.base import Backend, RequestInfo

_CHECKSUM = re.compile(r"1220(?P<sha256>[0-9a-f]{64})")
"""A SHA-256 as a multihash, the form in an Item."""
_NAME = re.compile(r"[a-z]+\.[a-z]{3,4}")


@dataclass(frozen=True)
class File:
    """A file of a mosaic, as its Item describes it: its name in the folder, bytes, and hexadecimal SHA-256."""

    name: str
    size: int
    sha256: str


@click.command()
@click.argument("name")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.  [default: NAME]"
)
@with_backend
def fetch(name: str, folder: Path | None, backend: "Backend") -> None:
    """Download COG, PNG and STAC Item of a mosaic.

    NAME is the name or the id of its request. Complete files are not downloaded again, and interrupted downloads
    resume. All files are verified against the checksums in the Item.
    """
    from mosaic_crds.errors import RequestError
    from mosaic_worker.cli.progress import progress_bar
    from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    request = backend.find(name)
    if not request.status.get("result"):
        message = request.message or "wait until it finishes"
        raise RequestError(f"{request.name} has no result ({request.phase}): {message}")
    folder = folder or Path(request.name)
    with backend.read_file(request, ITEM.name, 0) as pieces:
        published = _small(pieces)
    files = list(_files(published))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with progress_bar(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
            for file in files:
                click.echo(_download(backend, request, folder, file, bar))
        (folder / ITEM.name).write_bytes(published)  # last, as in the store
    except OSError as error:
        raise RequestError(f"cannot write {error.filename or folder}: {error.strerror}") from None
    click.echo(folder / ITEM.name)


def _small(pieces: Iterator[bytes]) -> bytes:
    """The content of a JSON document; reading stops at the largest size that one may have."""
    from mosaic_crds.json_input import LARGEST_JSON

    content = bytearray()
    while len(content) <= LARGEST_JSON and (piece := next(pieces, b"")):
        content += piece
    return bytes(content)


def _files(published: bytes) -> Iterator[File]:
    """The files of a mosaic in its Item, which comes from a server and may name no other files.

    Raises:
        RequestError: it is not the Item of a mosaic.
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
        raise RequestError(f"{ITEM.name} from the server is not the Item of a mosaic; update this program") from None


def _download(backend: "Backend", request: "RequestInfo", folder: Path, asset: File, bar: "Progress") -> Path:
    """Download a file of a mosaic, and verify it against its Item.

    Raises:
        PassingError: it is incomplete or has another checksum; the same command resumes or repeats it.
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
        with part.open("ab") as written, backend.read_file(request, file, start) as pieces:
            for piece in pieces:
                written.write(piece)
                bar.update(task, advance=len(piece))
                if written.tell() > size:
                    break  # it is not the file in the Item, and may never end
    if part.stat().st_size < size:
        raise PassingError(f"the download of {file} is incomplete; run the same command to resume")
    if _digest(part) != digest:
        part.unlink()
        raise PassingError(f"{file} does not match the checksum in its Item; run the same command to download it again")
    part.replace(target)
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
