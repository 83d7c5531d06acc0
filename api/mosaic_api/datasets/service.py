"""Datasets made: a file is read by a child process, kept in the store with what is shown of it, and a row tells of it.

The store comes first and the row last, so that what a row names is there; what is in the store without a row is loose.
"""

import dataclasses
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.files import COG
from mosaic_worker.finalize.results import Results
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import Principal, audit
from mosaic_api.database import Database, Dataset
from mosaic_api.datasets.boxes import Box
from mosaic_api.datasets.crud import change, expect_room, expect_version, is_past_restoring, own
from mosaic_api.datasets.input_schemas import DatasetCreate, DatasetFields, DatasetPatch, style_of_picture
from mosaic_api.datasets.orphans import adopt, mark_orphaned
from mosaic_api.datasets.storage import DISPLAYS, Content, DatasetStorage, Original, Sender, size_of
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Conflict, Invalid, NotFound, Problem

_FOR_IMAGES = ("west", "south", "east", "north", "colormap", "minimum", "maximum")
_FOR_POINTS = ("longitude", "latitude")


@dataclass(frozen=True)
class DatasetService:
    """Makes datasets.

    Attributes:
        settings: of this installation.
        database: for their rows.
        storage: for their files.
        cancelled: set when nobody waits for the dataset any more.
    """

    settings: Settings
    database: Database
    storage: DatasetStorage
    cancelled: threading.Event = dataclasses.field(default_factory=threading.Event)

    def keep(
        self,
        principal: Principal,
        asked: DatasetCreate,
        content: Content | None = None,
        *,
        key: uuid.UUID | None = None,
        central_id: uuid.UUID | None = None,
    ) -> tuple[Dataset, bool]:
        """Make a dataset, or find it made.

        Args:
            principal: whose it becomes.
            asked: what is said of it.
            content: its file; none for a point, or a mosaic.
            key: made by who asks; with the same one, nothing is made twice.
            central_id: the dataset of the central installation that it is a copy of.

        Returns:
            The dataset, and whether it was made by this call.

        Raises:
            Forbidden: the principal may only look.
            Invalid: it cannot be what was meant; the field is named.
            Conflict: the key was used for something else.
            TooLarge: the principal's room is used up.
            NotFound: there is no such mosaic to be seen, or it is not published.
            PassingError: the database or the store does not answer.
        """
        principal.require("editor")
        dataset_id = uuid.uuid4() if key is None else uuid.uuid5(principal.user_id, str(key))
        if asked.from_request is not None:
            with self._mosaic(principal, asked) as (said, mosaic):
                return self._keep(principal, said, mosaic, dataset_id, None)
        if asked.kind is None:
            raise Invalid("kind: say whether it is an image, a vector file or a point", "kind")
        if asked.name is None:
            raise Invalid("name: it needs one", "name")
        return self._keep(principal, asked, content, dataset_id, central_id)

    def move(
        self, principal: Principal, dataset_id: uuid.UUID, wanted: DatasetPatch, seen: str | None = None
    ) -> Dataset:
        """Change what is said of a dataset, also where it is; a picture is placed anew.

        What is not to be changed is taken from the row when it is locked, so that of changes at the same time each
        keeps what the others did.

        Args:
            principal: who does it.
            dataset_id: of the dataset.
            wanted: what is to be otherwise.
            seen: the header If-Match.

        Raises:
            Forbidden: the principal may only look.
            Invalid: it cannot be so.
            NotFound: there is none of the principal's.
            Outdated: the dataset was changed meanwhile.
            TooLarge: the owner's room is used up.
            PassingError: the database or the store does not answer.
        """
        with self.database.transaction() as session:
            dataset = own(session, principal, dataset_id)
            expect_version(dataset, seen)
            room = expect_room(session, self.settings, dataset.owner_id, 0)
        _refuse_other(wanted, dataset.kind)
        placed: dict[str, Any] = {}
        if wanted.corners is not None:
            if not dataset.details.get("placed"):
                raise Invalid("west: the image says itself where it is, and cannot be moved", "west")
            if wanted.corners != Box(dataset.west, dataset.south, dataset.east, dataset.north):
                placed = self._placed_anew(dataset, wanted.corners, room)
        with self._discarding(placed.get("files", {})), self.database.transaction() as session:
            dataset = own(session, principal, dataset_id)
            expect_version(dataset, seen)
            former, files = _keys(dataset), dataset.files | placed.get("files", {})
            expect_room(session, self.settings, dataset.owner_id, _bytes(files) - _bytes(dataset.files))
            change(session, principal, dataset, _changes(dataset, wanted, placed))
            adopt(session, _keys(dataset) - former)
            mark_orphaned(session, former - _keys(dataset))
        self.storage.discard(former - _keys(dataset))
        return dataset

    def _keep(
        self,
        principal: Principal,
        asked: DatasetCreate,
        content: Content | None,
        dataset_id: uuid.UUID,
        central_id: uuid.UUID | None,
    ) -> tuple[Dataset, bool]:
        _refuse_other(asked, asked.kind)
        dataset = Dataset(
            id=dataset_id,
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
            _set(dataset, _place(asked.point, asked.point.outline))
            return self._insert(principal, dataset)
        if content is None:
            raise Invalid("file: it is missing; only points have none", "file")
        size = size_of(content.file)
        with self.database.transaction() as session:
            expect_room(session, self.settings, principal.user_id, size)
        with self.storage.on_disk(content) as original:
            _expect_kind(original, asked)
            with self.database.transaction() as session:
                found = self._made_before(session, dataset_id, original.digest)
                room = expect_room(session, self.settings, principal.user_id, 0)
            if found is not None:
                return found, False
            display = None if content.made_here else _display_of(original)
            outcome = self.storage.read(
                original, display, asked.corners, Sender(principal.user_id, room, self.cancelled)
            )
            more = size + (display.stat().st_size if display else 0)
            with self.database.transaction() as session:
                expect_room(session, self.settings, principal.user_id, more)
            with self._discarding(dataset.files):
                dataset.files["original"] = self.storage.keep(dataset_id, original)
                if display is not None:
                    dataset.files["display"] = self.storage.keep_display(dataset_id, original, display)
                _set(dataset, _place(outcome.box, outcome.footprint) | {"details": outcome.details | asked.look})
                found, made = self._insert(principal, dataset)
            if not made:
                self.storage.discard(_keys(dataset))
            return found, made

    @contextmanager
    def _discarding(self, files: Mapping[str, Any]) -> Iterator[None]:
        """Delete files at once whose dataset is refused, so that they fill no room that nobody has."""
        try:
            yield
        except (Problem, RequestError):
            self.storage.discard([file["key"] for file in files.values()])
            raise

    def _placed_anew(self, dataset: Dataset, corners: Box, room: int | None) -> dict[str, Any]:
        """The columns of a picture elsewhere; a copy of what is shown of it is in the store then."""
        told, shown = dataset.files["original"], dataset.files.get("display", {"bytes": 0})
        try:
            file = self.storage.store.open(told["key"])
        except FileNotFoundError:
            raise NotFound("the file of this dataset is not in the store any more; send it anew") from None
        room = None if room is None else room + told["bytes"] + shown["bytes"]
        with file, self.storage.on_disk(Content(file, told["name"])) as original:
            display = _display_of(original)
            outcome = self.storage.read(original, display, corners, Sender(dataset.owner_id, room, self.cancelled))
            files = {"display": self.storage.keep_display(dataset.id, original, display)}
            return _place(outcome.box, outcome.footprint) | {"details": outcome.details, "files": files}

    def _insert(self, principal: Principal, dataset: Dataset) -> tuple[Dataset, bool]:
        digest = dataset.files.get("original", {}).get("sha256")
        try:
            with self.database.transaction() as session:
                found = self._made_before(session, dataset.id, digest)
                if found is not None:
                    return found, False
                expect_room(session, self.settings, principal.user_id, _bytes(dataset.files))
                session.add(dataset)
                session.flush()
                adopt(session, _keys(dataset))
                audit(
                    session, principal.user_id, "create", f"dataset/{dataset.id}", name=dataset.name, kind=dataset.kind
                )
                session.refresh(dataset)
                return dataset, True
        except IntegrityError:  # another one came in between
            with self.database.transaction() as session:
                found = self._made_before(session, dataset.id, digest)
            if found is None:
                raise
            return found, False

    def _made_before(self, session: Session, dataset_id: uuid.UUID, digest: str | None) -> Dataset | None:
        """A dataset that was made with the same key already, locked; had back, if it was deleted meanwhile.

        Raises:
            Conflict: it was made of another file.
        """
        found = session.scalar(select(Dataset).where(Dataset.id == dataset_id).with_for_update(of=Dataset))
        if found is None:
            return None
        if is_past_restoring(found, self.settings):  # its files may have been purged in part
            mark_orphaned(session, _keys(found))
            session.delete(found)
            session.flush()
            return None
        if found.files.get("original", {}).get("sha256") != digest:
            raise Conflict("the Idempotency-Key was used for another file already; make a new one")
        if found.removed is not None:
            found.removed = None
            audit(session, found.owner_id, "restore", f"dataset/{found.id}", name=found.name)
        return found

    @contextmanager
    def _mosaic(self, principal: Principal, asked: DatasetCreate) -> Iterator[tuple[DatasetCreate, Content]]:
        """A published mosaic as a new dataset: its COG, coloured as its picture is."""
        with self.database.transaction() as session:
            mosaic = crud.find(session, principal, asked.from_request)  # type: ignore[arg-type]
        if mosaic.item is None or mosaic.uid is None:
            raise Conflict(f"the mosaic {mosaic.name} is not published yet; wait until it is", "from_request")
        said: dict[str, Any] = {"name": mosaic.name, "description": mosaic.item["properties"].get("title", "")}
        said |= style_of_picture(mosaic.item)
        said |= asked.model_dump(exclude_none=True, exclude={"from_request"}) | {"kind": "image"}
        key = Results(mosaic.namespace, mosaic.name, mosaic.uid).key(COG)
        try:
            file = self.storage.store.open(key)
        except FileNotFoundError:
            raise NotFound(f"the files of the mosaic {mosaic.name} are not in the store any more") from None
        with file:
            yield DatasetCreate.model_validate(said), Content(file, f"{mosaic.name}.tif", made_here=True)


def _refuse_other(asked: DatasetFields, kind: str | None) -> None:
    """Refuse what is said of another kind of dataset."""
    fields = (() if kind == "image" else _FOR_IMAGES) + (() if kind == "point" else _FOR_POINTS)
    for field in fields:
        if getattr(asked, field) is not None:
            raise Invalid(f"{field}: a dataset of the kind {kind} has none; leave it out", field)


def _expect_kind(original: Original, asked: DatasetCreate) -> None:
    """Refuse a file of another kind than is said, and a place that is missing or told twice."""
    kind = original.format
    if kind.kind != asked.kind:
        raise Invalid(f"kind: the file is a {kind.name}, which is of the kind {kind.kind}", "kind")
    if kind.placed and asked.corners is None:
        raise Invalid(
            f"west: a {kind.name} does not say where it is; give its corners west, south, east and north", "west"
        )
    if not kind.placed and asked.corners is not None:
        raise Invalid(f"west: a {kind.name} says itself where it is; leave the corners out", "west")


def _display_of(original: Original) -> Path:
    return original.path.with_name(f"display{DISPLAYS[original.format.kind][0]}")


def _place(box: Box, footprint: dict[str, Any]) -> dict[str, Any]:
    return box._asdict() | {"footprint": footprint}


def _set(dataset: Dataset, columns: dict[str, Any]) -> None:
    for name, value in columns.items():
        setattr(dataset, name, value)


def _keys(dataset: Dataset) -> set[str]:
    """Of its files in the store."""
    return {file["key"] for file in dataset.files.values()}


def _bytes(files: Mapping[str, Any]) -> int:
    return sum(file["bytes"] for file in files.values())


def _changes(dataset: Dataset, wanted: DatasetPatch, placed: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a locked dataset that are to be otherwise.

    Args:
        dataset: as it is now.
        wanted: what is said of it.
        placed: the columns of a picture that was placed elsewhere.
    """
    changes: dict[str, Any] = wanted.model_dump(include={"name", "description", "creator", "shared"}, exclude_none=True)
    if wanted.point is not None:
        changes |= _place(wanted.point, wanted.point.outline)
    if placed:
        changes |= {**placed, "files": dataset.files | placed["files"]}
    if placed or wanted.look:
        changes["details"] = placed.get("details", dataset.details) | _look_of(dataset) | wanted.look
    return changes


def _look_of(dataset: Dataset) -> dict[str, Any]:
    return {name: dataset.details[name] for name in ("colormap", "limits") if name in dataset.details}
