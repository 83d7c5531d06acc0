"""Carries out decisions in the cluster, the database and the store.

A row only changes if it is still as it was at the decision, so two processes may try the same. A watch may lag behind,
so the cluster is asked again before anything counts as created or deleted.
"""

import json
import secrets
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import Phase, StatusWriter, messages
from mosaic_crds.request import LONGEST_NAME
from mosaic_worker.finalize.results import Results
from mosaic_worker.store import Store
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import audit
from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.datasets.orphans import mark_orphaned
from mosaic_api.kube.client import ApiError, Cluster, Definition
from mosaic_api.kube.resource import Resource
from mosaic_api.requests import crud
from mosaic_api.sync import decide as to_do
from mosaic_api.sync.observed import followed, lacks_item, manifest_of
from mosaic_api.sync.rows import wait

_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
"""Responses of the API server to a request that it will never accept."""


class LookAgainError(PassingError):
    """The state has changed since the decision; observe again."""


class Actor:
    """Carries out decisions."""

    def __init__(self, namespace: str, database: Database, store: Store, cluster: Cluster) -> None:
        self._namespace = namespace
        self._database, self._store, self._cluster = database, store, cluster

    def do(self, action: to_do.Action) -> None:
        """Carry out an action.

        Raises:
            PassingError: it is not possible now.
        """
        match action:
            case to_do.Apply(row):
                self._apply(row)
            case to_do.TakeOver(row, resource):
                self._take_over(row, resource)
            case to_do.FetchItem(row):
                self._fetch_item(row)
            case to_do.Cancel(row, uid):
                self._cluster.cancel(row.name, uid)
            case to_do.Delete(row, uid):
                self._cluster.delete(row.name, uid)
            case to_do.GiveUp(row):
                with self._database.transaction() as session:
                    request = _unchanged(session, row)
                    writer = StatusWriter(request.status, now())
                    writer.cancel("it was not applied to the cluster yet")
                    crud.set_status(request, writer.status)
            case to_do.Rename(row):
                self._rename(row)
            case to_do.Lose(row):
                self._lose(row)
            case to_do.Adopt(resource):
                self._adopt(resource)
            case to_do.Forget(row):
                self._forget(row)

    def _apply(self, row: Request) -> None:
        definition = self._definition()
        try:
            with self._database.transaction() as session:
                request = _unchanged(session, row)  # locked until it has the uid, so that nobody applies it twice
                resource = self._cluster.apply(manifest_of(row))
                if resource.row != str(row.id):
                    raise LookAgainError(f"the name {row.name} was just used in the cluster")
                request.uid, request.crd = resource.uid, definition.uid
                _set_status(request, resource.status)
        except ApiError as error:
            self._refused(row, error)

    def _refused(self, row: Request, error: ApiError) -> None:
        """Write the cluster's refusal into the row."""
        for_good = error.status in _REFUSED
        if error.status == HTTPStatus.CONFLICT or (for_good and self._cluster.find(row.name) is not None):
            raise LookAgainError(f"the name {row.name} was just used in the cluster") from error
        with self._database.transaction() as session:
            request = _unchanged(session, row)
            if for_good:
                writer = StatusWriter(request.status, now())
                writer.reject(f"The cluster rejects the request: {error}")
                crud.set_status(request, writer.status)
                return
            wait(request, messages.waiting_for_cluster(str(error)))
        raise error

    def _take_over(self, row: Request, resource: Resource) -> None:
        status, item, trouble = resource.status, None, None
        if status["phase"] == Phase.SUCCEEDED and row.item is None:
            try:
                item = self._item(row.name, resource.uid)
            except PassingError as error:
                trouble = error
        definition = self._definition() if row.uid is None else None
        with self._database.transaction() as session:
            request = _unchanged(session, row)
            request.uid = resource.uid
            if definition is not None:
                request.crd = definition.uid
            if item is not None:
                request.item = item
            if resource.cancelled and request.cancelled is None:
                request.cancelled = now()
            request.spec = _executed_like(request.spec, resource)
            _set_status(request, status)
        if trouble is not None:
            raise trouble

    def _fetch_item(self, row: Request) -> None:
        item = self._item(row.name, row.uid or "")
        if item is None:
            raise PassingError(f"the mosaic {row.name} is published, but its Item is not in the store")
        with self._database.transaction() as session:
            _unchanged(session, row).item = item

    def _lose(self, row: Request) -> None:
        found = self._cluster.find(row.name)
        if found is not None and found.uid == row.uid:
            raise LookAgainError(f"{row.name} is still in the cluster")
        definition = self._definition()
        results = Results(self._namespace, row.name, row.uid or "")
        # what was published before this process noticed is not lost
        unheard = not row.removed and (lacks_item(row) or not row.over)
        item = results.item(self._store) if unheard else None
        with self._database.transaction() as session:
            request = _unchanged(session, row)
            writer = StatusWriter(request.status, now())
            if item is not None:
                request.item = json.loads(item)
                writer.publish(results.summary(item, self._store))
                crud.set_status(request, writer.status)
            elif not row.over and not row.removed and not row.cancelled and request.crd != definition.uid:
                request.uid = request.crd = request.started = None
                wait(request, messages.waiting_for_cluster("its CustomResourceDefinition was replaced"))
                return
            elif not row.over:
                writer.cancel("" if row.cancelled else "its MosaicRequest was deleted in the cluster")
                crud.set_status(request, writer.status)
                audit(session, None, "lose", f"request/{request.id}", name=request.name)
            request.gone = now()

    def _adopt(self, resource: Resource) -> None:
        definition = self._definition()
        found = self._cluster.find(resource.name)
        if found is None or found.uid != resource.uid:
            return
        request = Request(
            id=uuid.uuid4(),
            namespace=self._namespace,
            name=resource.name,
            origin="cluster",
            shared=not resource.row,  # if its row is lost, it had an owner: only administrators see it
            created=resource.created,
            spec=resource.spec,
            uid=resource.uid,
            crd=definition.uid,
            cancelled=now() if resource.cancelled else None,
        )
        _set_status(request, resource.status)
        with suppress(IntegrityError), self._database.transaction() as session:  # another process was faster
            session.add(request)
            audit(session, None, "appear", f"request/{request.id}", name=request.name, row=resource.row)

    def _rename(self, row: Request) -> None:
        suffix = f"-{secrets.token_hex(3)}"
        with self._database.transaction() as session:
            request = _unchanged(session, row)
            request.name = row.name[: LONGEST_NAME - len(suffix)] + suffix
            audit(session, None, "rename", f"request/{request.id}", name=row.name, to=request.name)

    def _forget(self, row: Request) -> None:
        folders = [] if row.uid is None else [f"{Results(self._namespace, row.name, row.uid).folder}/"]
        for folder in folders:
            for stored in list(self._store.list(folder)):
                self._store.delete(stored.key)
        with self._database.transaction() as session:
            request = _unchanged(session, row)
            if row.uid is None:  # the response to its application may be lost
                found = self._cluster.find(row.name)
                if found is not None and found.row == str(row.id):
                    raise LookAgainError(f"{row.name} is in the cluster")
            session.delete(request)
            mark_orphaned(session, folders)  # the pod of a lost node may still write

    def _item(self, name: str, uid: str) -> dict[str, Any] | None:
        content = Results(self._namespace, name, uid).item(self._store)
        return None if content is None else dict(json.loads(content))

    def _definition(self) -> Definition:
        """The definition of MosaicRequests.

        Raises:
            PassingError: it is missing or being deleted, which says nothing about requests.
        """
        found = self._cluster.definition()
        if found is None or found.leaving:
            raise PassingError("the definition of MosaicRequests is not in the cluster")
        return found


def _unchanged(session: Session, row: Request) -> Request:
    """The row, locked.

    Raises:
        LookAgainError: it has changed.
    """
    request = session.get(Request, row.id, with_for_update={"of": Request})
    if request is None or request.changed != row.changed:
        raise LookAgainError(f"{row.name} has changed in the meantime")
    return request


def _set_status(request: Request, status: Mapping[str, Any]) -> None:
    """Set a status with the times in it."""
    crud.set_status(request, status)
    if "startTime" in status:
        request.started = datetime.fromisoformat(status["startTime"])
    if request.completed is not None and "completionTime" in status:
        request.completed = datetime.fromisoformat(status["completionTime"])


def _executed_like(spec: Mapping[str, Any], resource: Resource) -> dict[str, Any]:
    """A spec with the fields of execution that kubectl changed."""
    wanted = followed(resource.spec)
    if followed(spec) == wanted:
        return dict(spec)
    return dict(spec) | {"execution": (spec.get("execution") or {}) | wanted}
