"""Entries made: a file is read by a child process, kept in the store with what is shown of it, and a row tells of it.

The store comes first and the row last, so that what a row names is there; what is in the store without a row is purged.
"""

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mosaic_crds.names import entry_key
from mosaic_worker.results import MOSAIC, Results
from mosaic_worker.store import Store
from sqlalchemy.exc import IntegrityError

from mosaic_api import mosaics
from mosaic_api.database import Database, Entry
from mosaic_api.entries.asking import Change, Described, New, look_of_picture
from mosaic_api.entries.boxes import Box
from mosaic_api.entries.conversion import convert
from mosaic_api.entries.job import Job, Outcome
from mosaic_api.entries.kinds import GEOTIFF, HEAD_BYTES, Format, format_of
from mosaic_api.entries.rows import change, expect_room, own
from mosaic_api.identity import Principal, audit
from mosaic_api.problems import Conflict, Invalid, NotFound
from mosaic_api.settings import Settings

PIECE_BYTES = 4 * 2**20
DISPLAYS = {"image": (".tif", "image/tiff"), "vector": (".geojson", "application/geo+json")}
_FOR_IMAGES = ("west", "south", "east", "north", "colormap", "minimum", "maximum")
_FOR_POINTS = ("longitude", "latitude")


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
class Keeper:
    """Makes entries.

    Attributes:
        settings: of this installation.
        database: for their rows.
        store: for their files.
    """

    settings: Settings
    database: Database
    store: Store

    def keep(
        self,
        principal: Principal,
        asked: New,
        content: Content | None = None,
        *,
        key: uuid.UUID | None = None,
        central_id: uuid.UUID | None = None,
    ) -> tuple[Entry, bool]:
        """Make an entry, or find it made.

        Args:
            principal: whose it becomes.
            asked: what is said of it.
            content: its file; none for a point, or a mosaic.
            key: made by who asks; with the same one, nothing is made twice.
            central_id: the entry of the central installation that it is a copy of.

        Returns:
            The entry, and whether it was made by this call.

        Raises:
            Forbidden: the principal may only look.
            Invalid: it cannot be what was meant; the field is named.
            Conflict: the key was used for something else.
            TooLarge: the principal's room is used up.
            NotFound: there is no such mosaic to be seen, or it is not published.
            PassingError: the database or the store does not answer.
        """
        principal.require("editor")
        entry_id = uuid.uuid4() if key is None else uuid.uuid5(principal.user_id, str(key))
        if asked.from_request is not None:
            with self._mosaic(principal, asked) as (said, mosaic):
                return self._keep(principal, said, mosaic, entry_id, None)
        if asked.kind is None:
            raise Invalid("kind: say whether it is an image, a vector file or a point", "kind")
        if asked.name is None:
            raise Invalid("name: it needs one", "name")
        return self._keep(principal, asked, content, entry_id, central_id)

    def move(self, principal: Principal, entry_id: uuid.UUID, wanted: Change) -> Entry:
        """Change what is said of an entry, also where it is; a picture is placed anew.

        Raises:
            Forbidden: the principal may only look.
            Invalid: it cannot be so.
            NotFound: there is none of the principal's.
            PassingError: the database or the store does not answer.
        """
        with self.database.transaction() as session:
            entry = own(session, principal, entry_id)
        changes: dict[str, Any] = wanted.model_dump(
            include={"name", "description", "creator", "shared"}, exclude_none=True
        )
        _refuse_other(wanted, entry.kind)
        if wanted.point is not None:
            changes |= _place(wanted.point, wanted.point.outline)
        if wanted.look:
            changes["details"] = entry.details | wanted.look
        if wanted.corners is not None:
            if not entry.details.get("placed"):
                raise Invalid("west: the image says itself where it is, and cannot be moved", "west")
            if wanted.corners != Box(entry.west, entry.south, entry.east, entry.north):
                with _workspace() as folder:
                    placed = self._placed_anew(entry, wanted.corners, folder)
                changes |= placed | {"details": placed["details"] | _look_of(entry) | wanted.look}
        with self.database.transaction() as session:
            former = own(session, principal, entry_id).files.get("display")
            entry = change(session, principal, entry_id, changes)
        if former is not None and former != entry.files.get("display"):
            self.store.delete(former["key"])
        return entry

    def _keep(
        self,
        principal: Principal,
        asked: New,
        content: Content | None,
        entry_id: uuid.UUID,
        central_id: uuid.UUID | None,
    ) -> tuple[Entry, bool]:
        _refuse_other(asked, asked.kind)
        entry = Entry(
            id=entry_id,
            kind=asked.kind,
            name=asked.name,
            description=asked.description or "",
            creator=asked.creator or "",
            owner_id=principal.user_id,
            shared=bool(asked.shared),
            central_id=central_id,
            files={},
            details={},
        )
        if asked.kind == "point":
            if content is not None:
                raise Invalid("file: a point has none; choose another kind, or leave the file out", "file")
            if asked.point is None:
                raise Invalid("longitude: a point has a longitude and a latitude", "longitude")
            _set(entry, _place(asked.point, asked.point.outline))
            return self._insert(principal, entry)
        if content is None:
            raise Invalid("file: it is missing; only points have none", "file")
        with _workspace() as folder:
            original, kind, digest = _on_disk(content, folder)
            if kind.kind != asked.kind:
                raise Invalid(f"kind: the file is a {kind.name}, which is of the kind {kind.kind}", "kind")
            if kind.placed and asked.corners is None:
                raise Invalid(
                    f"west: a {kind.name} does not say where it is; give its corners west, south, east and north",
                    "west",
                )
            if not kind.placed and asked.corners is not None:
                raise Invalid(f"west: a {kind.name} says itself where it is; leave the corners out", "west")
            with self.database.transaction() as session:
                found = session.get(Entry, entry_id)
                if found is None:
                    expect_room(session, self.settings, principal, original.stat().st_size)
            if found is not None:
                return self._again(principal, found, digest)
            display = None if content.made_here else folder / f"display{DISPLAYS[kind.kind][0]}"
            outcome = self._read(kind, content.name, original, display, asked.corners)
            key_of_original = entry_key(str(entry_id), "original", digest, kind.suffix)
            entry.files = {"original": self._store(key_of_original, original, digest, kind.media_type, content.name)}
            if display is not None:
                entry.files["display"] = self._store_display(entry_id, kind, display, content.name)
            _set(entry, _place(outcome.box, outcome.footprint) | {"details": outcome.details | asked.look})
            return self._insert(principal, entry)

    def _read(self, kind: Format, name: str, original: Path, display: Path | None, corners: Box | None) -> Outcome:
        return convert(
            Job(
                path=str(original),
                name=PurePosixPath(name).stem,
                format=kind.name,
                max_pixels=self.settings.max_pixels,
                corners=corners,
                display=None if display is None else str(display),
                outcome=str(original.parent / "outcome.json"),
            )
        )

    def _placed_anew(self, entry: Entry, corners: Box, folder: Path) -> dict[str, Any]:
        """The columns of a picture elsewhere; a copy of what is shown of it is in the store then."""
        told = entry.files["original"]
        try:
            with self.store.open(told["key"]) as file:
                original, kind, _ = _on_disk(Content(file, told["name"]), folder)
        except FileNotFoundError:
            raise NotFound("the file of this entry is not in the store any more; send it anew") from None
        display = folder / "display.tif"
        outcome = self._read(kind, told["name"], original, display, corners)
        files = entry.files | {"display": self._store_display(entry.id, kind, display, told["name"])}
        return _place(outcome.box, outcome.footprint) | {"details": outcome.details, "files": files}

    def _store_display(self, entry_id: uuid.UUID, kind: Format, path: Path, name: str) -> dict[str, Any]:
        suffix, media_type = DISPLAYS[kind.kind]
        shown_as = f"{PurePosixPath(name).stem}-display{suffix}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        key = entry_key(str(entry_id), "display", uuid.uuid4().hex, suffix)  # a former one may be deleted at any time
        return self._store(key, path, digest, media_type, shown_as)

    def _store(self, key: str, path: Path, digest: str, media_type: str, name: str) -> dict[str, Any]:
        """Put a file into the store; what a row says of it."""
        with path.open("rb") as file:
            self.store.create(key, iter(lambda: file.read(PIECE_BYTES), b""))
        return {"key": key, "name": name, "mediaType": media_type, "bytes": path.stat().st_size, "sha256": digest}

    def _insert(self, principal: Principal, entry: Entry) -> tuple[Entry, bool]:
        try:
            with self.database.transaction() as session:
                expect_room(session, self.settings, principal, sum(file["bytes"] for file in entry.files.values()))
                session.add(entry)
                session.flush()
                audit(session, principal.user_id, "create", f"entry/{entry.id}", name=entry.name, kind=entry.kind)
                session.refresh(entry)
                return entry, True
        except IntegrityError:
            with self.database.transaction() as session:
                found = session.get_one(Entry, entry.id)
            return self._again(principal, found, entry.files.get("original", {}).get("sha256"))

    def _again(self, principal: Principal, found: Entry, digest: str | None) -> tuple[Entry, bool]:
        """An entry that was made with the same key already; had back, if it was deleted meanwhile."""
        if found.files.get("original", {}).get("sha256") != digest:
            raise Conflict("the Idempotency-Key was used for another file already; make a new one")
        if found.removed is None:
            return found, False
        with self.database.transaction() as session:
            entry = own(session, principal, found.id, removed=True)
            entry.removed = None
            audit(session, principal.user_id, "restore", f"entry/{entry.id}", name=entry.name)
            return entry, False

    @contextmanager
    def _mosaic(self, principal: Principal, asked: New) -> Iterator[tuple[New, Content]]:
        """A published mosaic as a new entry: its COG, coloured as its picture is."""
        with self.database.transaction() as session:
            mosaic = mosaics.find(session, principal, asked.from_request)  # type: ignore[arg-type]
        if mosaic.item is None or mosaic.uid is None:
            raise Conflict(f"the mosaic {mosaic.name} is not published yet; wait until it is", "from_request")
        said: dict[str, Any] = {"name": mosaic.name, "description": mosaic.item["properties"].get("title", "")}
        said |= look_of_picture(mosaic.item)
        said |= asked.model_dump(exclude_none=True, exclude={"from_request"}) | {"kind": "image"}
        key = Results(mosaic.namespace, mosaic.name, mosaic.uid).key(MOSAIC)
        try:
            file = self.store.open(key)
        except FileNotFoundError:
            raise NotFound(f"the files of the mosaic {mosaic.name} are not in the store any more") from None
        with file:
            yield New.model_validate(said), Content(file, f"{mosaic.name}.tif", made_here=True)


def _refuse_other(asked: Described, kind: str | None) -> None:
    """Refuse what is said of another kind of entry."""
    fields = (() if kind == "image" else _FOR_IMAGES) + (() if kind == "point" else _FOR_POINTS)
    for field in fields:
        if getattr(asked, field) is not None:
            raise Invalid(f"{field}: an entry of the kind {kind} has none; leave it out", field)


def _place(box: Box, footprint: dict[str, Any]) -> dict[str, Any]:
    return box._asdict() | {"footprint": footprint}


def _set(entry: Entry, columns: dict[str, Any]) -> None:
    for name, value in columns.items():
        setattr(entry, name, value)


def _look_of(entry: Entry) -> dict[str, Any]:
    return {name: entry.details[name] for name in ("colormap", "limits") if name in entry.details}


def _on_disk(content: Content, folder: Path) -> tuple[Path, Format, str]:
    """A file under a name that only says what it is, its format, and its SHA-256."""
    head = content.file.read(HEAD_BYTES)
    kind = GEOTIFF if content.made_here else format_of(head)
    path, digest = folder / f"original{kind.suffix}", hashlib.sha256(head)
    with path.open("xb") as file:
        file.write(head)
        while piece := content.file.read(PIECE_BYTES):
            digest.update(piece)
            file.write(piece)
    return path, kind, digest.hexdigest()


@contextmanager
def _workspace() -> Iterator[Path]:
    """A folder that is gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="mosaic-entry-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
