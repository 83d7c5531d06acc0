"""The metrics for Prometheus."""

import uuid

from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.database import Database
from mosaic_api.settings import Settings
from prometheus_client.parser import text_string_to_metric_families

from support.api.clients import Client
from support.api.published import Published


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_counts_responses_by_route(client: Client):
    ann = client("ann")
    for _ in range(3):
        ann.get(f"/api/v1/requests/{uuid.uuid4()}")
    ann.get(f"/nowhere/{uuid.uuid4()}")
    client().get("/api/v1/requests")
    found = samples(client())
    assert found["mosaic_http_requests_total", "GET", "/api/v1/requests/{request_id}", "404"] == 3
    assert found["mosaic_http_requests_total", "GET", "none", "404"] == 1
    assert found["mosaic_http_requests_total", "GET", "/api/v1/requests", "401"] == 1
    assert found["mosaic_http_request_seconds_count", "GET", "/api/v1/requests/{request_id}"] == 3


def test_counts_requests_by_phase(client: Client, database: Database, tmp_path):
    row = Published(tmp_path / "uid", "", "one", {}, {}).row
    row(database)
    row(database, name="two", phase="Failed")
    row(database, name="three", phase="Failed")
    found = samples(client())
    assert [found["mosaic_database_requests", phase] for phase in ("Succeeded", "Failed", "Running")] == [1, 2, 0]
    assert found["mosaic_database_up",] == 1


def test_reports_other_metrics_without_a_database(settings: Settings):
    url = settings.database.replace(settings.database.rsplit("/", 1)[1].split("?")[0], "nothing_here")
    gone = TestClient(create_app(Settings(url, settings.store, public_url=settings.public_url)))
    found = samples(gone)
    assert found["mosaic_database_up",] == 0
    assert ("mosaic_database_requests", "Failed") not in found
