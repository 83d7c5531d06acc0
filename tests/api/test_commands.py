"""`mosaic submit`, `get`, `watch`, `cancel` and `fetch` with a real server, and `mosaic token` with a real database."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from mosaic_api.app import create_app
from mosaic_api.database import Database, Token, User
from mosaic_api.settings import Settings
from sqlalchemy import select

from support.api.executors import spec_of, until
from support.api.serving import MOSAIC, own_place, served, write_request
from support.servers.range_server import serving


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with own_place() as made:
        yield made


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[str]:
    """The URL of a server that processes requests."""
    with served(place, "--scenes", place) as (_, client):
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def api_url(settings: Settings) -> Iterator[str]:
    """The URL of an installation with a login."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(create_app(replace(settings, public_url=url)), log_level="warning")
        api = uvicorn.Server(config)
        thread = threading.Thread(target=api.run, kwargs={"sockets": [listening]})
        thread.start()
        until(lambda: api.started)
        yield url
        api.should_exit = True
        thread.join()


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(MOSAIC), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=os.environ | variables)


def listed(server: str, place: Path, text: str) -> dict:
    headers = {"Authorization": f"Bearer {(place / 'data/token').read_text().strip()}"}
    return httpx.get(f"{server}/api/v1/requests", params={"text": text}, headers=headers).json()


def start(*arguments: object) -> "subprocess.Popen[str]":
    command = [str(MOSAIC), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_submits_watches_lists_and_fetches_a_request(place, server, tmp_path):
    submitted = run("submit", place / "snow.yaml", "--watch", "--server", server)
    assert submitted.returncode == 0, submitted.stderr
    assert submitted.stdout.startswith("Published file:///")
    assert "snow: Running" in submitted.stderr

    listed = run("get", MOSAIC_SERVER=server).stdout.splitlines()
    assert listed[0].split() == ["NAME", "PHASE", "PROGRESS", "AGE", "MESSAGE"]
    assert any(line.startswith("snow ") and "Succeeded" in line and "100 %" in line for line in listed)
    status = json.loads(run("get", "snow", "--server", server).stdout)
    assert status["phase"] == "Succeeded"

    fetched = run("fetch", "snow", "--server", server, "--to", tmp_path / "snow")
    assert fetched.returncode == 0, fetched.stderr
    made = Path(status["result"]["item"].removeprefix("file://").replace("%20", " ")).parent
    names = {"mosaic.tif", "mosaic.png", "thumbnail.png", "mosaic.json"}
    assert {path.name for path in made.iterdir()} == {path.name for path in (tmp_path / "snow").iterdir()} == names
    for name in names:
        assert (tmp_path / "snow" / name).read_bytes() == (made / name).read_bytes()


def test_commands_of_other_users_of_the_machine_are_refused(server, tmp_path):
    assert run("get", "--server", server).returncode == 0
    refused = run("get", "--server", server, HOME=str(tmp_path))
    assert refused.returncode == 42
    assert "MOSAIC_TOKEN" in refused.stderr


def test_resumes_a_fetch_and_replaces_damaged_files(place, server, tmp_path):
    write_request(place / "parts.yaml", spec_of("scenes"))
    assert run("submit", place / "parts.yaml", "--watch", "--server", server).returncode == 0
    assert run("fetch", "parts", "--server", server, "--to", tmp_path).returncode == 0
    whole = (tmp_path / "mosaic.tif").read_bytes()
    part = tmp_path / f".mosaic.tif.{hashlib.sha256(whole).hexdigest()[:16]}.part"
    (tmp_path / "mosaic.tif").unlink()
    part.write_bytes(whole[:-1000])
    picture = (tmp_path / "mosaic.png").stat().st_mtime_ns
    again = run("fetch", "parts", "--server", server, "--to", tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "mosaic.tif").read_bytes() == whole
    assert (tmp_path / "mosaic.png").stat().st_mtime_ns == picture
    assert not part.exists()

    (tmp_path / "mosaic.tif").unlink()
    part.write_bytes(b"x" * 1000)
    damaged = run("fetch", "parts", "--server", server, "--to", tmp_path)
    assert damaged.returncode == 43
    assert "mosaic.tif does not match the checksum in its Item" in damaged.stderr
    assert run("fetch", "parts", "--server", server, "--to", tmp_path).returncode == 0
    assert (tmp_path / "mosaic.tif").read_bytes() == whole


def test_cancels_a_request_while_it_is_watched(place, server):
    with serving(place / "scenes", delay=1) as address:
        write_request(place / "slow.yaml", spec_of(f"http://{address}"))
        assert run("submit", place / "slow.yaml", "--server", server).returncode == 0
        watching = start("watch", "slow", "--server", server)
        until(lambda: listed(server, place, "slow")["requests"][0]["phase"] == "Running")
        assert run("fetch", "slow", "--server", server).stderr.startswith("mosaic: slow has no result (Running)")
        cancelled = run("cancel", "slow", "--server", server)
        assert (cancelled.returncode, cancelled.stderr) == (0, "slow is being cancelled\n")
        _, errors = watching.communicate(timeout=30)
    assert watching.returncode == 42
    assert "mosaic: slow: Cancelled" in errors
    again = run("cancel", "slow", "--server", server)
    assert (again.returncode, again.stderr) == (0, "slow has already finished (Cancelled)\n")


def test_watch_continues_after_the_server_restarts(place, tmp_path):
    with serving(place / "scenes", delay=0.5) as address:
        write_request(tmp_path / "long.yaml", spec_of(f"http://{address}"))
        with own_place() as other:
            with served(other) as (process, client):
                port, url = client.base_url.port, str(client.base_url)
                assert run("submit", tmp_path / "long.yaml", "--server", url).returncode == 0
                watching = start("watch", "long", "--server", url)
                until(lambda: client.get("/api/v1/requests").json()["requests"][0]["phase"] == "Running")
                process.send_signal(signal.SIGINT)
                process.wait(30)
            with served(other, port=port):
                message, errors = watching.communicate(timeout=60)
    assert watching.returncode == 0, errors
    assert message.startswith("Published ")


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("get", "nowhere"), "request nowhere not found; `mosaic get` lists all", 42),
        (("get", "2d4a4a9e-7f5b-4f0a-8a3e-8f1c2a9e0b7d"), "there is no request 2d4a4a9e", 42),
        (("get", "--namespace", "x"), "--namespace needs --context", 42),
        (("get", "--context", "nowhere"), "the kubeconfig", 42),
    ],
)
def test_errors_are_one_line(server, arguments, message, code):
    done = run(*arguments, MOSAIC_SERVER=server, KUBECONFIG=os.devnull)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("mosaic: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_names_an_invalid_field_before_calling_the_server(place, server):
    wrong = write_request(place / "wrong.yaml", spec_of("scenes") | {"product": {"index": "NDSY"}})
    done = run("submit", wrong, "--server", server)
    assert done.returncode == 42
    assert "spec.product.index" in done.stderr
    assert run("submit", place / "snow.yaml", "--server", "https://127.0.0.1:1").returncode == 43


def test_reports_that_no_server_responds():
    done = run("get", "--server", "http://127.0.0.1:1")
    assert done.returncode == 43
    assert done.stderr.startswith("mosaic: http://127.0.0.1:1 does not respond")


def test_creates_lists_and_revokes_tokens_in_the_database(database: Database, database_url: str):
    made = run(
        "token", "create", "--user", "ann", "--role", "admin", "--scope", "read", MOSAIC_DATABASE_URL=database_url
    )
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    with database.transaction() as session:
        user = session.scalars(select(User)).one()
        assert (user.name, user.role) == ("ann", "admin")
        kept = session.scalars(select(Token)).one()
        assert kept.scopes == ["read"]
    listed = run("token", "list", MOSAIC_DATABASE_URL=database_url).stdout
    assert str(kept.id) in listed
    assert secret not in listed
    assert run("token", "revoke", kept.id, MOSAIC_DATABASE_URL=database_url).returncode == 0
    assert str(kept.id) not in run("token", "list", MOSAIC_DATABASE_URL=database_url).stdout
    again = run("token", "revoke", "2d4a4a9e-7f5b-4f0a-8a3e-8f1c2a9e0b7d", MOSAIC_DATABASE_URL=database_url)
    assert again.returncode == 42
    unset = {name: value for name, value in os.environ.items() if name != "MOSAIC_DATABASE_URL"}
    none = subprocess.run([str(MOSAIC), "token", "list"], capture_output=True, text=True, check=False, env=unset)
    assert "MOSAIC_DATABASE_URL is not set" in none.stderr


def test_reads_a_token_from_the_environment_or_a_private_file(settings, tmp_path, api_url):
    url = api_url
    unknown = run("get", "--server", url, HOME=str(tmp_path))
    assert unknown.returncode == 42
    secret = run("token", "create", "--user", "ann", MOSAIC_DATABASE_URL=settings.database).stdout.strip()
    assert run("get", "--server", url, MOSAIC_TOKEN=secret, HOME=str(tmp_path)).returncode == 0
    file = tmp_path / ".config/mosaic/token"
    file.parent.mkdir(parents=True)
    file.write_text(secret + "\n")
    file.chmod(0o644)
    open_to_all = run("get", "--server", url, HOME=str(tmp_path))
    assert open_to_all.stderr == f"mosaic: other users can read the token in {file}: run `chmod 600 {file}`\n"
    file.chmod(0o600)
    assert run("get", "--server", url, HOME=str(tmp_path)).returncode == 0
    assert secret not in run("get", "nowhere", "--server", url, HOME=str(tmp_path)).stderr


def test_commands_of_the_worker_do_not_import_the_api(tmp_path):
    script = (
        "import sys\n"
        "from mosaic_worker.cli import mosaic\n"
        "mosaic.main(['validate', sys.argv[1]], standalone_mode=False)\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in {'mosaic_api', 'fastapi', 'sqlalchemy'}))\n"
    )
    request = write_request(tmp_path / "snow.yaml", spec_of("scenes"))
    done = subprocess.run([sys.executable, "-c", script, str(request)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    helped = run("--help").stdout
    for name in ("run", "validate", "serve", "submit", "get", "watch", "cancel", "fetch", "token"):
        assert f"\n  {name} " in helped
