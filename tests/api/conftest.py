"""Clients of the application with a database for each test, and published mosaics."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Database
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_api.settings import Oidc, Settings

from support.api.central_pair import Pair
from support.api.clients import Client
from support.api.executors import Rows
from support.api.installations import serving
from support.api.kube_server import KubeServer, missing_programs
from support.api.published import Published, publish_all
from support.browsers.browser import Browser
from support.databases import database, database_url, new_database, postgres, template  # noqa: F401 (fixtures)
from support.ports import free_port
from support.scenes.rasters import noise, write_raster
from support.servers import running
from support.servers.range_server import serving as serving_files

PUBLIC_URL = "https://mosaics.example.org"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an installation with a login."""
    return Settings(database_url, str(tmp_path / "store"), public_url=PUBLIC_URL, session_secret=uuid.uuid4().hex)


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[Client]:
    """A factory for clients of one application: `client("ann", "editor")` has a token, `client()` has none."""
    with TestClient(create_app(settings), base_url=PUBLIC_URL) as anybody:

        def make(name: str | None = None, role: str = "editor", scopes: tuple[str, ...] = ("admin",)) -> TestClient:
            headers = {}
            if name is not None:
                with database.transaction() as session:
                    _, secret = create_token(session, named_user(session, name, role), "test", scopes, None)
                headers = {"Authorization": f"Bearer {secret}"}
            made = TestClient(anybody.app, base_url=PUBLIC_URL, headers=headers)
            made.portal = anybody.portal  # the application publishes its events in this event loop
            return made

        yield make


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    """A real API server that serves MosaicRequests, without nodes."""
    missing = missing_programs()
    if missing:
        reason = f"{missing} is missing; tests/cluster/lab/lab build builds it"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    server = KubeServer(tmp_path_factory.mktemp("kube"))
    server.start()
    server.install()
    yield server
    server.stop()


@pytest.fixture
def laptop(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """A client of an application with a single user and no login."""
    single = Settings(database_url, str(tmp_path / "store"), single_user=True)
    with TestClient(create_app(single), base_url="http://127.0.0.1:8080") as one:
        yield one


@pytest.fixture(scope="session")
def openid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.OpenId]:
    """A real OpenID provider."""
    reason = running.missing("openid")
    if reason:
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("openid")
    with running.openid_provider(folder, [f"{PUBLIC_URL}/auth/callback"], [f"{PUBLIC_URL}/login"]) as provider:
        yield provider


@pytest.fixture
def oidc(openid: running.OpenId) -> Oidc:
    """The settings with which an installation uses the provider."""
    roles = {"mosaic-admins": "admin", "staff": "editor"}
    scopes = "openid profile groups"
    return Oidc(openid.issuer, openid.client_id, openid.client_secret, scopes=scopes, roles=roles)


@pytest.fixture
def browsers(settings: Settings, oidc: Oidc) -> Iterator[Callable[[], Browser]]:
    """A factory for browsers with their own cookies. Their application has a login with the provider."""
    with TestClient(create_app(replace(settings, oidc=oidc)), base_url=PUBLIC_URL) as anybody:
        yield lambda: Browser(anybody, PUBLIC_URL)


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Published]:
    """Published mosaics of every kind, by name."""
    return publish_all(tmp_path_factory.mktemp("shown"))


@pytest.fixture
def rows(database: Database, settings: Settings) -> Rows:
    """The requests in the database."""
    return Rows(database, settings)


@pytest.fixture(scope="session")
def bands_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bands, which are cut into 12 tiles."""
    made = tmp_path_factory.mktemp("scene")
    for number, name in enumerate(("green", "swir16")):
        write_raster(made / f"{name}.tif", noise(4096, 3072, number), tiled=True)
    return made


@pytest.fixture
def serve(bands_folder: Path) -> Iterator[Callable[[float], str]]:
    """Serve the bands over HTTP, with a delay in seconds before each response."""
    with ExitStack() as open_servers:
        yield lambda delay: open_servers.enter_context(serving_files(bands_folder, delay=delay))


@pytest.fixture
def central_settings(postgres: PrivatePostgres, template: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a central installation."""
    with new_database(postgres) as url:
        yield Settings(url, str(tmp_path / "central"), public_url="http://central.example", session_secret="s" * 32)


@pytest.fixture
def pair(postgres: PrivatePostgres, template: str, tmp_path: Path, central_settings: Settings) -> Iterator[Pair]:
    """A running laptop, and a central installation that a test starts."""
    port = free_port()
    with serving(central_settings, port) as central:
        token = central.token("lab")
    with new_database(postgres) as url:
        local = Settings(
            url, str(tmp_path / "local"), single_user=True, central_url=f"http://127.0.0.1:{port}", central_token=token
        )
        with serving(local, free_port()) as laptop:
            yield Pair(laptop, central_settings, port, token)
