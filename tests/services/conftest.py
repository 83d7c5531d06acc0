"""Stores of every kind, on servers that the tests start."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.address import SCHEMES

from support.servers import running
from support.servers.containers import forget_credentials, new_container
from support.servers.data_lake_front import DataLakeFront
from support.servers.forwarding import serving

REAL = "MOSAIC_TEST_STORE_"
"""Prefix of variables with a folder in a real account; the scheme follows in capitals."""


def real_schemes() -> list[str]:
    """The schemes for which the environment has a real account."""
    return [scheme for scheme in sorted(SCHEMES) if os.environ.get(REAL + scheme.upper())]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the kinds of store that were not tested on a real account."""
    absent = [REAL + scheme.upper() for scheme in sorted(SCHEMES) if scheme not in real_schemes()]
    if absent:
        terminalreporter.write_line(f"real accounts: skipped, because these variables are not set: {', '.join(absent)}")


@dataclass(frozen=True)
class Place:
    """An empty store, and the environment to reach it.

    Attributes:
        uri: URI of the store.
        service: The service behind it; None for a directory and a real account.
    """

    uri: str
    service: running.Service | None = None
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def scheme(self) -> str:
        return self.uri.partition("://")[0]


@pytest.fixture(scope="session")
def servers() -> None:
    """Fail or skip with a message if the servers are not installed."""
    reason = running.missing("azurite", "versitygw")
    if reason:
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@pytest.fixture(scope="session")
def azurite(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Service]:
    with running.azurite(tmp_path_factory.mktemp("azurite")) as service:
        yield service


@pytest.fixture(scope="session")
def data_lake(azurite: running.Service) -> Iterator[running.Service]:
    """A substitute for a real Data Lake: see data_lake_front.py."""
    front = DataLakeFront(azurite.address, running.ACCOUNT, azurite.environment["AZURE_STORAGE_KEY"])
    with serving(front):
        yield running.Service(front.address, azurite.at(front.address))


@pytest.fixture(scope="session")
def versitygw(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Service]:
    with running.versitygw(tmp_path_factory.mktemp("versitygw")) as service:
        yield service


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Remove the user's own settings from the environment, except those for a real account."""
    if "real" in request.node.name:
        return
    forget_credentials(monkeypatch)


def make_place(scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Create a container on a service, and set the environment of this test."""
    fixture = {"abfss": "data_lake", "az": "azurite", "s3": "versitygw"}[scheme]
    service: running.Service = request.getfixturevalue(fixture)
    for variable, value in service.environment.items():
        monkeypatch.setenv(variable, value)
    return Place(new_container(scheme, service), service, service.environment)


@pytest.fixture(params=sorted(SCHEMES))
def remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Each kind of network store."""
    return make_place(request.param, request, monkeypatch)


@pytest.fixture(params=["file", *sorted(SCHEMES), *(f"real-{scheme}" for scheme in real_schemes())])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """Every kind of store, including the real accounts in the environment."""
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
    if place.service is None:  # leave a real account as it was
        for prefix in ("work/", "mosaics/", "a/"):
            for stored in list(opened.list(prefix)):
                opened.delete(stored.key)
