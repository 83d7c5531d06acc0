"""The files of entries: taken to the disk, read by a child process, and kept in the store with what is shown of them.

Every file in the store is new, and loose until an entry names it: none that was left behind by another upload is ever
taken for one's own.
"""

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Semaphore
from typing import Any, BinaryIO

from mosaic_crds.names import entry_key
from mosaic_worker.store import Store

from mosaic_api.database import Database
from mosaic_api.entries.boxes import Box
from mosaic_api.entries.conversion import convert
from mosaic_api.entries.job import Job, Outcome
from mosaic_api.entries.kinds import GEOTIFF, HEAD_BYTES, Format, format_of
from mosaic_api.entries.loose import loosen

PIECE_BYTES = 4 * 2**20
DISPLAYS = {"image": (".tif", "image/tiff"), "vector": (".geojson", "application/geo+json")}


@dataclass(frozen=True)
class Content:
    """A file that came in.

    Attributes:
        file: to read it from.
        name: as whoever sent it calls it.
        made_here: whether it is a COG that this program made, which is shown as it is.
    """

    file: BinaryIO
    name: str
    made_here: bool = False


@dataclass(frozen=True)
class Original:
    """A file on the disk, under a name that only says what it is.

    Attributes:
        path: where it is; the folder is its own.
        format: of its content.
        digest: its SHA-256.
        name: as whoever sent it calls it.
    """

    path: Path
    format: Format
    digest: str
    name: str


@contextmanager
def on_disk(content: Content) -> Iterator[Original]:
    """A file on the disk, in a folder that is gone in the end.

    Raises:
        Invalid: it is of no kind that is taken.
    """
    folder = Path(tempfile.mkdtemp(prefix="mosaic-entry-"))
    try:
        head = content.file.read(HEAD_BYTES)
        kind = GEOTIFF if content.made_here else format_of(head)
        path, digest = folder / f"original{kind.suffix}", hashlib.sha256(head)
        with path.open("xb") as file:
            file.write(head)
            while piece := content.file.read(PIECE_BYTES):
                digest.update(piece)
                file.write(piece)
        yield Original(path, kind, digest.hexdigest(), content.name)
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Filing:
    """Reads files, and keeps them.

    Attributes:
        database: in which files are loose until entries name them.
        store: where they are kept.
        max_pixels: of an image.
        conversions: lets so many be read at once, each in a process of up to 4 GiB.
    """

    database: Database
    store: Store
    max_pixels: int
    conversions: Semaphore

    def read(self, original: Original, display: Path | None, corners: Box | None) -> Outcome:
        """What a file is, and what is shown of it in another one.

        Args:
            original: the file.
            display: where what is shown is written; nowhere if the file itself is shown.
            corners: of a picture.

        Raises:
            Invalid: it cannot be taken.
        """
        job = Job(
            path=str(original.path),
            name=PurePosixPath(original.name).stem,
            format=original.format.name,
            max_pixels=self.max_pixels,
            corners=corners,
            display=None if display is None else str(display),
            outcome=str(original.path.parent / "outcome.json"),
        )
        with self.conversions:
            return convert(job)

    def keep(self, entry_id: uuid.UUID, original: Original) -> dict[str, Any]:
        """Put a file into the store; what `Entry.files` says of it.

        Raises:
            PassingError: the database or the store does not take it.
        """
        kind = original.format
        return self._keep(entry_id, "original", original.path, kind.suffix, kind.media_type, original.name)

    def keep_display(self, entry_id: uuid.UUID, original: Original, display: Path) -> dict[str, Any]:
        """Put what is shown of a file into the store; what `Entry.files` says of it.

        Raises:
            PassingError: the database or the store does not take it.
        """
        suffix, media_type = DISPLAYS[original.format.kind]
        name = f"{PurePosixPath(original.name).stem}-display{suffix}"
        return self._keep(entry_id, "display", display, suffix, media_type, name)

    def _keep(
        self, entry_id: uuid.UUID, role: str, path: Path, suffix: str, media_type: str, name: str
    ) -> dict[str, Any]:
        key, digest = entry_key(str(entry_id), role, uuid.uuid4().hex, suffix), hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)
                    yield piece

        with self.database.transaction() as session:
            loosen(session, [key])
        self.store.create(key, pieces())
        size = path.stat().st_size
        return {"key": key, "name": name, "mediaType": media_type, "bytes": size, "sha256": digest.hexdigest()}
