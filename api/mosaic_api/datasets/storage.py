"""The files of datasets: on the disk while a child process reads them, then in the store with their display copies.

Each file in the store is new, and an orphan until a dataset names it, so that no dataset ever gets a file of another
upload.
"""

import hashlib
import io
import logging
import shutil
import tempfile
import threading
import uuid
from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mosaic_crds.errors import PassingError
from mosaic_crds.names import dataset_key
from mosaic_worker.store import Store
from sqlalchemy import delete

from mosaic_api.database import Database, OrphanFile
from mosaic_api.datasets.boxes import Box
from mosaic_api.datasets.fair_queue import FairQueue
from mosaic_api.datasets.orphans import mark_orphaned
from mosaic_api.datasets.reader.formats import GEOTIFF, HEAD_BYTES, Format, format_of
from mosaic_api.datasets.reader.job import Job, Outcome
from mosaic_api.datasets.reader.launcher import convert
from mosaic_api.datasets.reader.zips import LARGEST_RATIO, LARGEST_UNPACKED
from mosaic_api.datasets.scratch import Scratch
from mosaic_api.web.problems import NoRoom

PIECE_BYTES = 4 * 2**20
DISPLAYS = {"image": (".tif", "image/tiff"), "vector": (".geojson", "application/geo+json")}

LEAST_SECONDS, MOST_SECONDS, SECONDS_PER_MIB = 60, 600, 1
"""Time to read a file, by its size."""
LEAST_DISPLAY, DISPLAY_RATIO = 64 * 2**20, 50
"""Maximum bytes of a display copy: for small files, and per byte of larger ones. A compressed picture of noise is 20
times smaller than its display copy."""
WRITTEN_RATIO = 2.5
"""All bytes that are written, by those of the display copy: overviews and rewritten images are separate."""
LEAST_BYTES = 2**20
"""A process may always write these."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sender:
    """For whom a file is read: the owner, and the bytes that are left of the owner's quota, if there is one.

    `cancelled` is set when the caller does not wait any more.
    """

    owner: Hashable
    room: int | None
    cancelled: threading.Event


@dataclass(frozen=True)
class Content:
    """An uploaded file, and the name that the user gave it.

    If it is a COG that this program made, it is shown as it is.
    """

    file: BinaryIO
    name: str
    made_here: bool = False


@dataclass(frozen=True)
class Original:
    """A file on the disk, in a folder of its own, with its SHA-256 and the name that the user gave it."""

    path: Path
    format: Format
    digest: str
    name: str


@dataclass(frozen=True)
class DatasetStorage:
    """Reads and stores files.

    `max_display_bytes` limits a display copy before compression, and `conversions` parallel reader processes, each of
    up to 2 GiB.
    """

    database: Database
    store: Store
    scratch: Scratch
    max_pixels: int
    max_display_bytes: int
    conversions: FairQueue

    @contextmanager
    def on_disk(self, content: Content) -> Iterator[Original]:
        """A file on the disk, in a folder that is deleted at the end.

        Raises:
            Invalid: its format is not supported.
            NoRoom: the disk is full.
        """
        with self.scratch.reserved(size_of(content.file)) as written:
            folder = Path(tempfile.mkdtemp(prefix="dataset-", dir=self.scratch.folder))
            try:
                head = content.file.read(HEAD_BYTES)
                kind = GEOTIFF if content.made_here else format_of(head)
                path, digest = folder / f"original{kind.suffix}", hashlib.sha256(head)
                with path.open("xb") as file:
                    file.write(head)
                    while piece := content.file.read(PIECE_BYTES):
                        digest.update(piece)
                        file.write(piece)
                written()
                yield Original(path, kind, digest.hexdigest(), content.name)
            finally:
                shutil.rmtree(folder)

    def read(self, original: Original, display: Path | None, corners: Box | None, sender: Sender) -> Outcome:
        """Read a file, and write its display copy, unless the file itself is shown. A picture has corners.

        Raises:
            Invalid: it cannot be used.
            Cancelled: the caller does not wait any more.
            NoRoom: the disk is full.
        """
        size = original.path.stat().st_size
        most = LEAST_DISPLAY + DISPLAY_RATIO * size
        if sender.room is not None:
            most = min(most, max(sender.room - size, LEAST_BYTES))
        job = self._job(original).model_copy(update={"corners": corners, "display": display and str(display)})
        return self._convert(job, original, most, sender)

    def read_area(self, original: Original, sender: Sender) -> Outcome:
        """The polygons of a vector file as one area; raises like `read`."""
        job = self._job(original).model_copy(update={"area": True})
        return self._convert(job, original, LEAST_BYTES, sender)

    def _convert(self, job: Job, original: Original, most: int, sender: Sender) -> Outcome:
        """Run a job when it has a slot and space on the disk. `most` limits the display copy in bytes."""
        size = original.path.stat().st_size
        unpacked = min(LARGEST_UNPACKED, LARGEST_RATIO * size) if original.format.packed else 0
        with (
            self.conversions.turn(sender.owner, sender.cancelled),
            self.scratch.reserved(unpacked),
            self.scratch.reserved_up_to(round(most * WRITTEN_RATIO)) as reserved,
        ):
            written = round(reserved / WRITTEN_RATIO)
            if written < LEAST_BYTES:
                raise NoRoom("the server's temporary disk is full now; try again later")
            return convert(job.model_copy(update={"bytes": written + unpacked}), sender.cancelled)

    def _job(self, original: Original) -> Job:
        mib = original.path.stat().st_size // 2**20
        return Job(
            path=str(original.path),
            name=PurePosixPath(original.name).stem,
            format=original.format.name,
            max_pixels=self.max_pixels,
            outcome=str(original.path.parent / "outcome.json"),
            decoded=self.max_display_bytes,
            seconds=min(LEAST_SECONDS + SECONDS_PER_MIB * mib, MOST_SECONDS),
        )

    def discard(self, keys: Collection[str]) -> None:
        """Delete files that no dataset names; what cannot be deleted now remains an orphan."""
        try:
            for key in keys:
                self.store.delete(key)
            with self.database.transaction() as session:
                session.execute(delete(OrphanFile).where(OrphanFile.key.in_(keys)))
        except PassingError as error:
            _log.warning("files are left for the next sweep: %s", error)

    def keep(self, dataset_id: uuid.UUID, original: Original) -> dict[str, Any]:
        """Store a file, and return its entry for `Dataset.files`."""
        kind = original.format
        return self._keep(dataset_id, "original", original.path, kind.suffix, kind.media_type, original.name)

    def keep_display(self, dataset_id: uuid.UUID, original: Original, display: Path) -> dict[str, Any]:
        """Store a display copy, and return its entry for `Dataset.files`."""
        suffix, media_type = DISPLAYS[original.format.kind]
        name = f"{PurePosixPath(original.name).stem}-display{suffix}"
        return self._keep(dataset_id, "display", display, suffix, media_type, name)

    def _keep(
        self, dataset_id: uuid.UUID, role: str, path: Path, suffix: str, media_type: str, name: str
    ) -> dict[str, Any]:
        key, digest = dataset_key(str(dataset_id), role, uuid.uuid4().hex, suffix), hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)
                    yield piece

        with self.database.transaction() as session:
            mark_orphaned(session, [key])
        self.store.create(key, pieces())
        size = path.stat().st_size
        return {"key": key, "name": name, "mediaType": media_type, "bytes": size, "sha256": digest.hexdigest()}


def size_of(file: BinaryIO) -> int:
    """The size of a seekable file in bytes; rewinds it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size
