"""PriorityClasses and queues that a request may name. The error names the field with any other name."""

from dataclasses import replace

import pytest
from mosaic_api.settings import Settings
from mosaic_crds.allowed import Allowed
from test_requests_api import SPEC

from support.api.clients import Client


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of an installation in a cluster whose chart allows one name."""
    return replace(settings, allowed=Allowed(("low",)))


@pytest.mark.parametrize("path", ["requests", "estimate"])
@pytest.mark.parametrize("field", ["priorityClass", "queue"])
def test_refuses_a_name_that_the_chart_does_not_list(client: Client, path: str, field: str):
    spec = SPEC | {"execution": {field: "system-node-critical"}}
    answer = client("ann").post(f"/api/v1/{path}", json={"spec": spec})
    assert answer.status_code == 422
    assert answer.json()["field"] == f"spec.execution.{field}"
    assert "; this installation allows " in answer.json()["detail"]


def test_accepts_a_listed_name(client: Client):
    spec = SPEC | {"execution": {"priorityClass": "low"}}
    assert client("ann").post("/api/v1/requests", json={"spec": spec}).status_code == 201
