"""`mosaic backup` and `mosaic restore` under load, after failures, and with deletions during a backup."""

import io
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from mosaic_api.backups.archive import ABOUT, DATABASE, FORMAT, STORE, About, writing
from mosaic_api.backups.create import Made, back_up
from mosaic_api.backups.restore import restore
from mosaic_api.database import Database, Dataset
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_crds.errors import PassingError, RequestError
from mosaic_worker.store import Store, open_store
from sqlalchemy import delete, select

from support.api.executors import spec_of, until
from support.api.serving import MOSAIC, served, servers_below
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import RangeHandler, serving_by


def nothing(_: int, __: int) -> None:
    pass


class Server(RangeHandler):
    """Serves files, slowly while a test sets a delay."""

    delay = 5.0


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder below /tmp that all users can enter, with two small bands."""
    made = Path(tempfile.mkdtemp(prefix="mosaic backup "))
    made.chmod(0o755)
    for number, name in enumerate(("green", "swir16")):
        write_raster(made / f"scenes/{name}.tif", noise(300, 200, number), tiled=True)
    yield made
    shutil.rmtree(made)


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(MOSAIC), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=200)


def submit(client: httpx.Client, name: str, spec: dict) -> str:
    answer = client.post("/api/v1/requests", json={"name": name, "spec": spec})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def request_of(client: httpx.Client, request: str) -> dict:
    return client.get(f"/api/v1/requests/{request}").json()


def done(client: httpx.Client, request: str) -> dict:
    return until(lambda: found if (found := request_of(client, request))["phase"] == "Succeeded" else None, 120)


def shows(client: httpx.Client, mosaic: str, image: str) -> dict[str, object]:
    """What the page shows of a mosaic and an image, without the location of the store."""
    described = request_of(client, mosaic)
    result = {
        name: value for name, value in described["status"]["result"].items() if name not in {"cog", "png", "item"}
    }
    paths = [f"requests/{mosaic}/files/{name}" for name in ("cog", "png", "thumbnail", "item")]
    paths += [f"datasets/{image}", f"datasets/{image}/files/original", f"requests/{mosaic}/legend"]
    files = {path: client.get(f"/api/v1/{path}") for path in paths}
    assert all(answer.status_code == 200 for answer in files.values()), files
    return {path: answer.content for path, answer in files.items()} | {"item": described["item"], "result": result}


def test_restores_a_backup_made_under_load_and_continues_the_requests(place):
    backup, new = place / "all.backup", place / "new"
    write_raster(place / "image.tif", noise(64, 64))
    with serving_by(partial(Server, directory=str(place / "scenes"))) as address:
        with served(place, "--scenes", place) as (_, client):
            snow = submit(client, "snow", spec_of("scenes"))
            done(client, snow)
            content = (place / "image.tif").read_bytes()
            said = {"kind": "image", "name": "image"}
            kept = client.post("/api/v1/datasets", data=said, files={"file": ("i.tif", content)})
            assert kept.status_code == 201, kept.text
            image = kept.json()["id"]
            slow = submit(client, "slow", spec_of(f"http://{address}"))
            until(lambda: request_of(client, slow)["phase"] != "Pending")
            before, stop = shows(client, snow, image), threading.Event()

            def add_and_delete() -> None:
                with httpx.Client(base_url=client.base_url, headers=client.headers, cookies=client.cookies) as other:
                    while not stop.is_set():
                        files = {"file": ("i.tif", content)}
                        made = other.post("/api/v1/datasets", data={"kind": "image", "name": "more"}, files=files)
                        other.delete(f"/api/v1/datasets/{made.json()['id']}")

            load = threading.Thread(target=add_and_delete)
            load.start()
            made = run("backup", backup, "--data", place / "data")
            stop.set()
            load.join()
            assert (made.returncode, made.stderr) == (0, ""), made.stderr
            assert request_of(client, slow)["phase"] in {"Planning", "Running"}
        Server.delay = 0.0
        assert backup.stat().st_mode & 0o777 == 0o600
        restored = run("restore", backup, "--data", new)
        assert (restored.returncode, restored.stderr) == (0, ""), restored.stderr
        (place / "data").rename(place / "data of before")
        new.rename(place / "data")  # `served` uses this folder; its store moves along
        with served(place, "--scenes", place) as (_, client):
            assert shows(client, snow, image) == before
            assert request_of(client, snow)["status"]["result"]["cog"].startswith((new / "store").as_uri())
            done(client, slow)
            datasets = client.get("/api/v1/datasets").json()["datasets"]
            for dataset in datasets:
                assert client.get(f"/api/v1/datasets/{dataset['id']}/files/original").content == content
    assert not servers_below(place)


@dataclass(frozen=True)
class Kept:
    """A running database with datasets that have files, and its store."""

    postgres: PrivatePostgres
    database: Database
    store: Store


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[PrivatePostgres, Database]]:
    folder = Path(tempfile.mkdtemp(prefix="mosaic-backup-"))
    folder.chmod(0o755)
    postgres = PrivatePostgres(folder / "database")
    database = Database(postgres.start())
    database.migrate()
    yield postgres, database
    database.close()
    postgres.stop()
    shutil.rmtree(folder)


@pytest.fixture
def kept(server: tuple[PrivatePostgres, Database], tmp_path: Path) -> Kept:
    postgres, database = server
    store = open_store(str(tmp_path / "store"))
    with database.transaction() as session:
        session.execute(delete(Dataset))
        for name in ("a", "b"):
            key = f"datasets/{name}/original"
            store.create(key, [name.encode() * 1000])
            session.add(dataset(name, key))
    return Kept(postgres, database, store)


def dataset(name: str, key: str) -> Dataset:
    place = {"west": 0, "south": 0, "east": 1, "north": 1, "footprint": {}}
    return Dataset(kind="image", name=name, files={"original": {"key": key}}, **place)


def make(kept: Kept, path: Path, store: Store | None = None) -> Made:
    return back_up(kept.postgres, store or kept.store, path, nothing)


@dataclass(frozen=True)
class CallbackStore:
    """A store that runs a callback when the first file is opened."""

    store: Store
    happens: list

    def open(self, key: str) -> io.BufferedReader:
        if self.happens:
            self.happens.pop()()
        return self.store.open(key)


def test_a_dataset_deleted_during_a_backup_is_not_in_its_rows(kept, tmp_path):
    def remove() -> None:
        with kept.database.transaction() as session:
            session.execute(delete(Dataset).where(Dataset.name == "b"))
        kept.store.delete("datasets/b/original")

    made = make(kept, tmp_path / "backup", CallbackStore(kept.store, [remove]))
    assert (made.files, made.lost) == (1, ())
    restored = restore(tmp_path / "backup", tmp_path / "new", None, nothing)
    assert restored.files == ["datasets/a/original"]
    server = PrivatePostgres(tmp_path / "new/database")
    database = Database(server.start())
    try:
        with database.transaction() as session:
            assert session.scalars(select(Dataset.name)).all() == ["a"]
    finally:
        database.close()
        server.stop()
        shutil.rmtree(server.place)
    assert open_store(str(tmp_path / "new/store")).read("datasets/a/original") == b"a" * 1000


def test_reports_files_that_the_store_has_lost_and_backs_up_the_rest(kept, tmp_path):
    kept.store.delete("datasets/b/original")
    assert make(kept, tmp_path / "backup").lost == ("datasets/b/original",)


def test_a_failed_backup_leaves_no_files_and_overwrites_none(kept, tmp_path):
    class UnavailableStore:
        def open(self, _: str) -> io.BufferedReader:
            raise PassingError("the store is away")

    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(PassingError):
        make(kept, folder / "backup", UnavailableStore())
    assert list(folder.iterdir()) == []
    (folder / "backup").write_text("of before")
    with pytest.raises(RequestError, match="already"):
        make(kept, folder / "backup")
    assert (folder / "backup").read_text() == "of before"


def written(path: Path, **changed: object) -> Path:
    """Write a backup of one file, without a database."""
    about = {
        "format": FORMAT,
        "created": "2026-01-01",
        "revision": "0001",
        "files": ["datasets/a"],
        "lost": [],
    } | changed
    with writing(path) as archive:
        archive.add(f"{STORE}datasets/a", io.BytesIO(os.urandom(5000)))
        archive.add(DATABASE, io.BytesIO(b"PGDMP"))
        archive.add(ABOUT, io.BytesIO(About(**about | changed).to_json()))
    return path


def test_refuses_a_damaged_backup_before_writing(tmp_path):
    path = written(tmp_path / "backup")
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 397), *range(len(whole) - 80, len(whole))]:
        altered = bytearray(whole)
        altered[place] ^= 1
        for damaged in (bytes(altered), whole[:place], whole + b"x"):
            path.write_bytes(damaged)
            with pytest.raises(RequestError, match="not a complete backup"):
                restore(path, tmp_path / "new", None, nothing)
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"revision": "9999"}, "newer version"),
        ({"format": 2}, "another version"),
        ({"files": ["datasets/not-there"]}, "not a complete backup"),
    ],
)
def test_refuses_an_incompatible_backup_before_writing(tmp_path, changed, message):
    path = written(tmp_path / "backup", **changed)
    with pytest.raises(RequestError, match=message):
        restore(path, tmp_path / "new", None, nothing)
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


@pytest.mark.parametrize("there", ["a file", "a folder"])
def test_never_overwrites_existing_files(tmp_path, there):
    path, data = written(tmp_path / "backup"), tmp_path / "data"
    data.mkdir() if there == "a folder" else data.write_text("mine")
    if there == "a folder":
        (data / "mine").touch()
    with pytest.raises(RequestError, match="is not empty; use --data with a new folder"):
        restore(path, data, None, nothing)
    assert data.read_text() == "mine" if there == "a file" else [each.name for each in data.iterdir()] == ["mine"]


def test_a_failed_restore_leaves_no_files(tmp_path):
    revision = "0005"
    path = written(tmp_path / "backup", revision=revision)
    with pytest.raises(RequestError, match="the database cannot be restored"):
        restore(path, tmp_path / "new", None, nothing)
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]
    assert servers_below(tmp_path) == []


def test_refuses_a_key_outside_the_store(tmp_path):
    path = tmp_path / "backup"
    with writing(path) as archive:
        archive.add(f"{STORE}../../out", io.BytesIO(b"x"))
        archive.add(DATABASE, io.BytesIO(b"PGDMP"))
        archive.add(ABOUT, io.BytesIO(About(FORMAT, "2026", "0001", ["../../out"], []).to_json()))
    with pytest.raises(RequestError, match="is outside the store"):
        restore(path, tmp_path / "new", None, nothing)
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


def test_a_backup_without_a_database_fails_and_creates_none(tmp_path):
    made = run("backup", tmp_path / "backup", "--data", tmp_path / "data")
    assert made.returncode == 42
    assert "there is no database in" in made.stderr
    assert list(tmp_path.iterdir()) == []
