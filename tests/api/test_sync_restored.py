"""Requests in the cluster that are newer than a restored database, so that their rows are missing."""

import uuid
from typing import Any

import pytest
from mosaic_api.auth.identity import named_user, principal_of
from mosaic_api.auth.ownership import find
from mosaic_api.database import Database, Request
from mosaic_api.kube.client import Definition
from mosaic_api.kube.resource import Resource
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from mosaic_api.sync.actions import Actor
from mosaic_api.sync.decide import Adopt
from mosaic_api.sync.observed import Observed
from mosaic_api.sync.runner import _needs_action
from mosaic_api.web.problems import NotFound
from mosaic_crds.names import ANNOTATION_ROW
from mosaic_worker.store import open_store
from sqlalchemy import select

SPEC = {"area": {"bbox": [1, 2, 3, 4]}, "source": {"files": {"scenes": []}}, "product": {"index": "NDVI"}}


class Cluster:
    """An API server with one request."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def definition(self) -> Definition:
        return Definition("crd", leaving=False)

    def find(self, _: str) -> Resource:
        return self._resource


@pytest.mark.parametrize("from_the_page", [True, False])
def test_only_administrators_see_possibly_private_requests_until_they_share_them(
    settings: Settings, database: Database, from_the_page: bool
):
    annotations = {ANNOTATION_ROW: str(uuid.uuid4())} if from_the_page else {}
    metadata: dict[str, Any] = {"name": "lost", "uid": "u", "creationTimestamp": "2026-01-01T10:00:00Z"}
    resource = Resource({"metadata": metadata | {"annotations": annotations}, "spec": SPEC})
    Actor(settings.namespace, database, open_store(settings.store), Cluster(resource)).do(Adopt(resource))
    with database.transaction() as session:
        found = session.scalars(select(Request)).one()
        assert (found.owner_id, found.shared) == (None, not from_the_page)
        ann, eve = (
            principal_of(named_user(session, name, role)) for name, role in (("ann", "editor"), ("eve", "admin"))
        )
        assert find(session, eve, Request, found.id) is found
        if from_the_page:
            with pytest.raises(NotFound):
                find(session, ann, Request, found.id)
            crud.share(session, eve, found.id, True)
        assert find(session, ann, Request, found.id) is found


def test_a_malformed_request_needs_an_action():
    odd = Resource({"metadata": {"name": "odd", "uid": "u", "annotations": None}, "spec": None})
    assert _needs_action(Observed([], odd))
