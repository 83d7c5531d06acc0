"""Uploads concurrent with purges and sweeps: a dataset keeps its files in every order, which the tests force."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from mosaic_api.database import Database, Dataset, OrphanFile
from mosaic_api.datasets import service, storage
from mosaic_api.datasets.orphans import ABANDONED_SECONDS, sweep
from mosaic_api.datasets.purge import purge
from mosaic_api.datasets.service import DatasetService
from mosaic_crds.errors import PassingError
from mosaic_worker.store import Store, open_store
from sqlalchemy import delete, update

from support.api.dataset_files import geotiff, picture
from support.api.installations import until, waits_for_lock

KEY = str(uuid.uuid4())
CONTENT = geotiff()


def send(client: TestClient) -> Any:
    """The same upload on every call."""
    fields = {"kind": "image", "name": "one"}
    return client.post(
        "/api/v1/datasets", data=fields, files={"file": ("one.tif", CONTENT)}, headers={"Idempotency-Key": KEY}
    )


def assert_whole(client: TestClient, answer: Any) -> None:
    assert answer.status_code in {200, 201}, answer.text
    sent = client.get(f"/api/v1/datasets/{answer.json()['id']}/files/original")
    assert (sent.status_code, sent.content) == (200, CONTENT)


def files_of(folder: Path) -> list[Path]:
    return [path for path in (folder / "store/datasets").rglob("*") if path.is_file()]


def make_old(database: Database) -> None:
    """Age all files that no dataset names beyond the limit for abandoned files."""
    with database.transaction() as session:
        session.execute(update(OrphanFile).values(since=OrphanFile.since - timedelta(seconds=2 * ABANDONED_SECONDS)))


@pytest.fixture
def store(laptop: TestClient, tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def at_insert(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Call `do` once, when an upload has stored its files and is about to insert its row."""
    insert = DatasetService._insert

    def intercepted(*arguments: Any) -> Any:
        monkeypatch.setattr(DatasetService, "_insert", insert)
        do()
        return insert(*arguments)

    monkeypatch.setattr(DatasetService, "_insert", intercepted)


def interrupt(laptop: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise PassingError("the database is away")

    at_insert(monkeypatch, fail)
    assert send(laptop).status_code == 503


def test_a_sweep_during_a_repeated_upload_keeps_its_files(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    interrupt(laptop, monkeypatch)
    make_old(database)
    swept = []
    at_insert(monkeypatch, lambda: swept.append(sweep(database, store)))
    assert_whole(laptop, send(laptop))
    assert swept == [2]  # the files of the interrupted upload


def test_a_sweep_that_lists_before_an_upload_and_deletes_after_it_keeps_its_files(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    interrupt(laptop, monkeypatch)
    make_old(database)
    answers = []

    class Late:
        """A store that receives a complete upload before the first file is deleted."""

        def delete(self, key: str) -> None:
            if not answers:
                answers.append(send(laptop))
            store.delete(key)

    assert sweep(database, Late()) == 2
    assert_whole(laptop, answers[0])


def test_an_upload_whose_files_were_swept_fails(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def a_day_later() -> None:
        make_old(database)
        assert sweep(database, store) == 2

    at_insert(monkeypatch, a_day_later)
    refused = send(laptop)
    assert (refused.status_code, "upload it again" in refused.json()["detail"]) == (503, True)
    assert laptop.get("/api/v1/datasets").json()["total"] == 0
    assert_whole(laptop, send(laptop))


def test_keeps_files_that_are_unknown_to_the_database(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path
):
    """They belong to another installation, or are newer than the backup from which the database was restored."""
    made = send(laptop)
    with database.transaction() as session:
        session.execute(delete(Dataset))
    make_old(database)
    assert (sweep(database, store), purge(database, store, 0)) == (0, 0)
    assert len(files_of(tmp_path)) == len(made.json()["files"])


def test_the_same_upload_recreates_a_dataset_during_its_purge(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path
):
    first = send(laptop).json()["id"]
    delete_long_ago(laptop, database, first)
    answers: list[Any] = []
    upload = threading.Thread(target=lambda: answers.append(send(laptop)))

    class Slow:
        """A store that deletes nothing before an upload waits for the row."""

        list = store.list

        def delete(self, key: str) -> None:
            if upload.ident is None:
                upload.start()
                until(lambda: waits_for_lock(database))
            store.delete(key)

    assert purge(database, Slow(), 7) == 1
    upload.join()
    assert (answers[0].status_code, answers[0].json()["id"]) == (201, first)
    assert_whole(laptop, answers[0])


def test_the_same_upload_recreates_a_partly_purged_dataset(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path
):
    first = send(laptop).json()["id"]
    delete_long_ago(laptop, database, first)

    class Failing:
        """A store that becomes unavailable during a purge."""

        list = store.list

        def __init__(self) -> None:
            self.left = 1

        def delete(self, key: str) -> None:
            if not self.left:
                raise PassingError("the store is away")
            self.left -= 1
            store.delete(key)

    with pytest.raises(PassingError):
        purge(database, Failing(), 7)
    assert len(files_of(tmp_path)) == 1
    answer = send(laptop)
    assert answer.status_code == 201
    assert_whole(laptop, answer)
    make_old(database)
    assert (sweep(database, store), len(files_of(tmp_path))) == (2, 2)  # the purge had deleted one of them


def test_recreates_a_point_that_waits_for_its_purge(laptop: TestClient, database: Database):
    fields, headers = {"kind": "point", "name": "x", "longitude": 1, "latitude": 2}, {"Idempotency-Key": KEY}
    first, again = (laptop.post("/api/v1/datasets", json=fields, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    delete_long_ago(laptop, database, first.json()["id"])
    recreated = laptop.post("/api/v1/datasets", json=fields | {"name": "y"}, headers=headers)
    assert (recreated.status_code, recreated.json()["id"], recreated.json()["name"]) == (201, first.json()["id"], "y")


def test_two_concurrent_equal_uploads_create_one_dataset_and_no_extra_files(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    answers = []
    at_insert(monkeypatch, lambda: answers.append(send(laptop)))
    answers.append(send(laptop))
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert len(files_of(tmp_path)) == 2
    make_old(database)
    assert sweep(database, store) == 0
    assert_whole(laptop, answers[1])


def test_sweeps_the_files_of_a_failed_move(
    laptop: TestClient, database: Database, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    corners = {"west": 1, "south": 1, "east": 2, "north": 2}
    made = laptop.post(
        "/api/v1/datasets", data={"kind": "image", "name": "x"} | corners, files={"file": ("x.png", picture())}
    ).json()

    def fail(*_: Any) -> None:
        raise PassingError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(service, "change", fail)
        assert laptop.patch(f"/api/v1/datasets/{made['id']}", json=corners | {"east": 3}).status_code == 503
    make_old(database)
    assert sweep(database, store) == 1
    for role in ("original", "display"):
        assert laptop.get(f"/api/v1/datasets/{made['id']}/files/{role}").status_code == 200


def delete_long_ago(client: TestClient, database: Database, dataset: str) -> None:
    client.delete(f"/api/v1/datasets/{dataset}")
    with database.transaction() as session:
        session.execute(update(Dataset).values(removed=Dataset.removed - timedelta(days=8)))


def test_limits_the_files_that_are_read_simultaneously(laptop: TestClient, monkeypatch: pytest.MonkeyPatch):
    """Each reader may use 2 GiB of memory."""
    convert, reading, most, both = storage.convert, [], [], threading.Event()

    def counted(job: Any, cancelled: Any) -> Any:
        reading.append(job)
        most.append(len(reading))
        if len(reading) == 2:
            both.set()
        assert both.wait(20)
        try:
            return convert(job, cancelled)
        finally:
            reading.remove(job)

    monkeypatch.setattr(storage, "convert", counted)
    fields = {"data": {"kind": "image", "name": "one"}}
    threads = [
        threading.Thread(target=lambda: laptop.post("/api/v1/datasets", files={"file": ("x", CONTENT)}, **fields))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (5, 2)
    assert laptop.get("/api/v1/datasets").json()["total"] == 5
