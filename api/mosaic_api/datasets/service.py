"""Creates and moves datasets: a child process reads the file, then it is stored with its display copy, then the row.

The row comes last, so that the files that it names exist. Files in the store without a row are orphans.
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
from mosaic_api.auth.ownership import find, find_own
from mosaic_api.database import Database, Dataset, Request
from mosaic_api.datasets.boxes import Box
from mosaic_api.datasets.crud import change, expect_room, expect_version, is_past_restoring
from mosaic_api.datasets.orphans import adopt, mark_orphaned
from mosaic_api.datasets.schemas import DatasetCreate, DatasetPatch, style_of_picture
from mosaic_api.datasets.storage import DISPLAYS, Content, DatasetStorage, Original, Sender, size_of
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Conflict, Invalid, NotFound, Problem


@dataclass(frozen=True)
class DatasetService:
    """Creates and changes datasets. `cancelled` is set when the caller does not wait any more."""

    settings: Settings
    database: Database
    storage: DatasetStorage
    cancelled: threading.Event = dataclasses.field(default_factory=threading.Event)

    def keep(
        self,
        principal: Principal,
        fields: DatasetCreate,
        content: Content | None = None,
        *,
        key: uuid.UUID | None = None,
        central_id: uuid.UUID | None = None,
    ) -> tuple[Dataset, bool]:
        """Create a dataset, or find the one that the principal created with the same key.

        Points and mosaics have no content. A dataset with a `central_id` copies that one of the central installation.

        Returns:
            The dataset, and whether this call created it.

        Raises:
            Problem: the principal may not create it, a field is invalid, the key was used for another file, the quota
                is used up, or the mosaic is not published.
        """
        principal.require("editor")
        dataset_id = uuid.uuid4() if key is None else uuid.uuid5(principal.user_id, str(key))
        if fields.from_request is not None:
            with self._mosaic(principal, fields) as (complete, mosaic):
                return self._keep(principal, complete, mosaic, dataset_id, None)
        if fields.kind is None:
            raise Invalid("kind: use image, vector or point", "kind")
        if fields.name is None:
            raise Invalid("name: required", "name")
        return self._keep(principal, fields, content, dataset_id, central_id)

    def move(
        self, principal: Principal, dataset_id: uuid.UUID, wanted: DatasetPatch, seen: str | None = None
    ) -> Dataset:
        """Change the fields of a dataset, also its location. A moved picture gets a new display copy.

        Fields that do not change come from the locked row, so that parallel changes do not undo each other. `seen` is
        the header If-Match.

        Raises:
            Problem: the principal may not change it, a field is invalid, the dataset has changed in the meantime, or
                the owner's quota is used up.
        """
        with self.database.transaction() as session:
            dataset = find_own(session, principal, Dataset, dataset_id)
            expect_version(dataset, seen)
            room = expect_room(session, self.settings, dataset.owner_id, 0)
        wanted.expect_kind(dataset.kind)
        placed: dict[str, Any] = {}
        if wanted.corners is not None:
            if not dataset.details.get("placed"):
                raise Invalid("west: the image has a georeference, and cannot be moved", "west")
            if wanted.corners != Box(dataset.west, dataset.south, dataset.east, dataset.north):
                placed = self._moved_picture(dataset, wanted.corners, room)
        with self._discarding(placed.get("files", {})), self.database.transaction() as session:
            dataset = find_own(session, principal, Dataset, dataset_id)
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
        fields: DatasetCreate,
        content: Content | None,
        dataset_id: uuid.UUID,
        central_id: uuid.UUID | None,
    ) -> tuple[Dataset, bool]:
        fields.expect_kind(fields.kind)
        dataset = Dataset(
            id=dataset_id,
            kind=fields.kind,
            name=fields.name,
            description=fields.description or "",
            creator=fields.creator or "",
            owner_id=principal.user_id,
            shared=bool(fields.shared),
            central_id=central_id,
            files={},
            details={},
        )
        if fields.kind == "point":
            if content is not None:
                raise Invalid("file: a point has no file; change the kind, or remove the file", "file")
            if fields.point is None:
                raise Invalid("longitude: a point needs longitude and latitude", "longitude")
            _set(dataset, _place(fields.point, fields.point.outline))
            return self._insert(principal, dataset)
        if content is None:
            raise Invalid("file: required, except for points", "file")
        size = size_of(content.file)
        with self.database.transaction() as session:
            expect_room(session, self.settings, principal.user_id, size)
        with self.storage.on_disk(content) as original:
            fields.expect_format(original.format)
            with self.database.transaction() as session:
                found = self._made_before(session, dataset_id, original.digest)
                room = expect_room(session, self.settings, principal.user_id, 0)
            if found is not None:
                return found, False
            display = None if content.made_here else _display_of(original)
            outcome = self.storage.read(
                original, display, fields.corners, Sender(principal.user_id, room, self.cancelled)
            )
            more = size + (display.stat().st_size if display else 0)
            with self.database.transaction() as session:
                expect_room(session, self.settings, principal.user_id, more)
            with self._discarding(dataset.files):
                dataset.files["original"] = self.storage.keep(dataset_id, original)
                if display is not None:
                    dataset.files["display"] = self.storage.keep_display(dataset_id, original, display)
                _set(dataset, _place(outcome.box, outcome.footprint) | {"details": outcome.details | fields.style})
                found, made = self._insert(principal, dataset)
            if not made:
                self.storage.discard(_keys(dataset))
            return found, made

    @contextmanager
    def _discarding(self, files: Mapping[str, Any]) -> Iterator[None]:
        """Delete files immediately if their dataset is refused, because no quota counts them."""
        try:
            yield
        except (Problem, RequestError):
            self.storage.discard([file["key"] for file in files.values()])
            raise

    def _moved_picture(self, dataset: Dataset, corners: Box, room: int | None) -> dict[str, Any]:
        """The columns of a picture in another place. Its new display copy is in the store."""
        kept, shown = dataset.files["original"], dataset.files.get("display", {"bytes": 0})
        try:
            file = self.storage.store.open(kept["key"])
        except FileNotFoundError:
            raise NotFound("the file of this dataset is no longer in the store; upload it again") from None
        room = None if room is None else room + kept["bytes"] + shown["bytes"]
        with file, self.storage.on_disk(Content(file, kept["name"])) as original:
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
        except IntegrityError:  # another call created it in between
            with self.database.transaction() as session:
                found = self._made_before(session, dataset.id, digest)
            if found is None:
                raise
            return found, False

    def _made_before(self, session: Session, dataset_id: uuid.UUID, digest: str | None) -> Dataset | None:
        """The dataset that was created with the same key, locked; restored if it was deleted.

        Raises:
            Conflict: it has another file.
        """
        found = session.scalar(select(Dataset).where(Dataset.id == dataset_id).with_for_update(of=Dataset))
        if found is None:
            return None
        if is_past_restoring(found, self.settings):  # some of its files may have been purged
            mark_orphaned(session, _keys(found))
            session.delete(found)
            session.flush()
            return None
        if found.files.get("original", {}).get("sha256") != digest:
            raise Conflict("the Idempotency-Key was already used for another file; use a new one")
        if found.removed is not None:
            found.removed = None
            audit(session, found.owner_id, "restore", f"dataset/{found.id}", name=found.name)
        return found

    @contextmanager
    def _mosaic(self, principal: Principal, fields: DatasetCreate) -> Iterator[tuple[DatasetCreate, Content]]:
        """A published mosaic as a new dataset: its COG with the colours of its picture."""
        with self.database.transaction() as session:
            mosaic = find(session, principal, Request, fields.from_request)  # type: ignore[arg-type]
        if mosaic.item is None or mosaic.uid is None:
            raise Conflict(f"the mosaic {mosaic.name} is not published yet", "from_request")
        values: dict[str, Any] = {"name": mosaic.name, "description": mosaic.item["properties"].get("title", "")}
        values |= style_of_picture(mosaic.item)
        values |= fields.model_dump(exclude_none=True, exclude={"from_request"}) | {"kind": "image"}
        key = Results(mosaic.namespace, mosaic.name, mosaic.uid).key(COG)
        try:
            file = self.storage.store.open(key)
        except FileNotFoundError:
            raise NotFound(f"the files of the mosaic {mosaic.name} are no longer in the store") from None
        with file:
            yield DatasetCreate.model_validate(values), Content(file, f"{mosaic.name}.tif", made_here=True)


def _display_of(original: Original) -> Path:
    return original.path.with_name(f"display{DISPLAYS[original.format.kind][0]}")


def _place(box: Box, footprint: dict[str, Any]) -> dict[str, Any]:
    return box._asdict() | {"footprint": footprint}


def _set(dataset: Dataset, columns: dict[str, Any]) -> None:
    for name, value in columns.items():
        setattr(dataset, name, value)


def _keys(dataset: Dataset) -> set[str]:
    """The keys of a dataset's files in the store."""
    return {file["key"] for file in dataset.files.values()}


def _bytes(files: Mapping[str, Any]) -> int:
    return sum(file["bytes"] for file in files.values())


def _changes(dataset: Dataset, wanted: DatasetPatch, placed: Mapping[str, Any]) -> dict[str, Any]:
    """The changed columns of a locked dataset. `placed` has those of a picture in another place."""
    changes: dict[str, Any] = wanted.model_dump(include={"name", "description", "creator", "shared"}, exclude_none=True)
    if wanted.point is not None:
        changes |= _place(wanted.point, wanted.point.outline)
    if placed:
        changes |= {**placed, "files": dataset.files | placed["files"]}
    if placed or wanted.style:
        changes["details"] = placed.get("details", dataset.details) | _style_of(dataset) | wanted.style
    return changes


def _style_of(dataset: Dataset) -> dict[str, Any]:
    return {name: dataset.details[name] for name in ("colormap", "limits") if name in dataset.details}
