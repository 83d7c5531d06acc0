"""A Data Lake has real folders, unlike other stores. Its endpoint is a substitute, see data_lake_front.py."""

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.filedatalake import FileSystemClient
from conftest import Place, make_place
from mosaic_worker.store import open_store
from mosaic_worker.store.address import parse_address

from support.servers import running
from support.servers.faults import Faults
from support.servers.forwarding import serving


@pytest.fixture
def lake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place("abfss", request, monkeypatch)


def paths(lake: Place) -> dict[str, bool]:
    """Paths in the file system; the value is True for a folder."""
    key = AzureNamedKeyCredential(running.ACCOUNT, lake.environment["AZURE_STORAGE_KEY"])
    endpoint = lake.environment["AZURE_STORAGE_SERVICE_ENDPOINT"]
    client = FileSystemClient(endpoint, parse_address(lake.uri).container, key)
    return {path.name: path.is_directory for path in client.get_paths()}


def test_folders_are_not_listed_as_objects(lake: Place) -> None:
    store = open_store(lake.uri)
    store.create("work/1/tiles/0.json", [b"x"])
    assert paths(lake) == {
        "a": True,
        "a/folder": True,
        "a/folder/work": True,
        "a/folder/work/1": True,
        "a/folder/work/1/tiles": True,
        "a/folder/work/1/tiles/0.json": False,
    }
    assert [stored.key for stored in store.list("work/")] == ["work/1/tiles/0.json"]


def test_deletes_only_folders_that_become_empty(lake: Place) -> None:
    store = open_store(lake.uri)
    store.create("work/1/tiles/0.json", [b"x"])
    store.create("work/2/plan.json", [b"x"])
    store.delete("work/1/tiles/0.json")
    assert paths(lake) == {
        "a": True,
        "a/folder": True,
        "a/folder/work": True,
        "a/folder/work/2": True,
        "a/folder/work/2/plan.json": False,
    }


def test_writes_files_through_one_endpoint_only(lake: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data Lake does not allow its own writes and those of the Blob API in one file."""
    assert lake.service is not None
    with serving(Faults(lake.service.address)) as server:
        for name, value in lake.service.at(server.address).items():
            monkeypatch.setenv(name, value)
        store = open_store(lake.uri)
        store.create("small", [b"x"])
        store.create("large", [bytes(20_000_000)])
        written = [request for request in server.seen if request.method in {"PUT", "PATCH", "POST"}]
    assert len(written) == 1 + 3 + 1
    assert not [request for request in written if "action=" in request.target or "resource=" in request.target]
