"""Executors or a cluster work off what is in a database, never both; people hand it over from one to the other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import PUBLIC_URL
from kubernetes.client import Configuration
from mosaic_api import __main__ as program
from mosaic_api.database import Database, Request, Workforce
from mosaic_api.database.workforce import expect, hand_over
from mosaic_api.executor.idle_requests import settle
from mosaic_api.executor.queue import LostError, Queue
from mosaic_api.local.installation import InstallationPaths, running_installation
from mosaic_api.settings import Settings
from mosaic_api.sync.leader import lead
from mosaic_crds.errors import RequestError
from sqlalchemy import delete, func, select, update

from support.api.executors import Rows, executor, spec_of, until
from support.api.installations import somebody_waits
from support.servers.running import free_port


def recorded(database: Database) -> str | None:
    with database.transaction() as session:
        return session.scalar(select(Workforce.kind))


@contextmanager
def leading(database: Database) -> Iterator[threading.Event]:
    """A sync at work, as one replica of the API has it; the event is set while it works."""
    stop, works = threading.Event(), threading.Event()

    def work(over: threading.Event) -> None:
        works.set()
        over.wait()

    thread = threading.Thread(target=lead, args=(database, work, stop))
    thread.start()
    try:
        assert works.wait(20)
        yield works
    finally:
        stop.set()
        thread.join()


def test_where_a_cluster_worked_no_executor_starts(rows: Rows, settings: Settings, tmp_path: Path):
    with leading(rows.database):
        pass
    row = rows.ask(spec_of("https://example.org"))
    with executor(settings) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 42
    assert "are processed by a cluster, which excludes executors" in said
    assert "`python -m mosaic_api hand-over executors`" in said
    assert "Traceback" not in said
    with (
        pytest.raises(RequestError, match="by a cluster"),
        running_installation(InstallationPaths(tmp_path, database=settings.database), {}),
    ):
        pass
    assert (rows.see(row).phase, recorded(rows.database)) == ("Pending", "cluster")


def test_where_executors_worked_no_cluster_is_kept_in_step(
    rows: Rows, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    Queue(rows.database, "one").join()
    told = {
        "DATABASE_URL": settings.database,
        "STORE": settings.store,
        "PUBLIC_URL": PUBLIC_URL,
        "CLUSTER": "true",
    }
    for name, value in told.items():
        monkeypatch.setenv(f"MOSAIC_{name}", value)
    monkeypatch.setattr(program, "configuration", lambda: Configuration(host="https://127.0.0.1:1"))
    monkeypatch.setattr(program, "PORT", free_port())
    assert program.main([]) == 42
    said = capsys.readouterr().err
    assert "are processed by executors, which excludes a cluster" in said
    assert "`python -m mosaic_api hand-over cluster`" in said
    with pytest.raises(RequestError):
        lead(rows.database, lambda over: pytest.fail("it works"), threading.Event())


def test_any_number_of_one_kind_may_work(rows: Rows):
    asked = {rows.ask(spec_of("https://example.org")) for _ in range(3)}
    assert {Queue(rows.database, f"worker-{number}").claim().id for number in range(3)} == asked
    assert recorded(rows.database) == "executors"


def test_of_both_that_come_at_once_one_kind_works(rows: Rows):
    for _ in range(10):
        with rows.database.transaction() as session:
            session.execute(delete(Workforce))
        barrier, came = threading.Barrier(8), []

        def come(kind: Any, barrier: threading.Barrier, came: list[str]) -> None:
            barrier.wait()
            try:
                with rows.database.transaction() as session:
                    expect(session, kind)
            except RequestError:
                return
            came.append(kind)

        kinds = ("executors", "cluster") * 4
        threads = [threading.Thread(target=come, args=(kind, barrier, came)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert came == [recorded(rows.database)] * 4


def test_executors_are_relieved_when_they_have_nothing_in_hand(rows: Rows):
    queue = Queue(rows.database, "one")
    claim = (rows.ask(spec_of("https://example.org")), queue.claim())[1]
    with pytest.raises(RequestError, match="executors cannot hand over while they run: stop the executors"):
        hand_over(rows.database, "cluster")
    assert recorded(rows.database) == "executors"
    with rows.database.transaction() as session:
        session.execute(update(Request).values(lease_until=func.now() - timedelta(seconds=1)))
    hand_over(rows.database, "cluster")
    with pytest.raises(RequestError, match="by a cluster"):
        queue.claim()
    with pytest.raises(LostError):  # one that was away has no word in it any more
        queue.report(claim.id, claim.status)
    rows.cancel(claim.id)
    with pytest.raises(RequestError):
        settle(rows.database, rows.settings.store, str(claim.id))
    assert not rows.see(claim.id).over
    with leading(rows.database):
        pass


def test_a_cluster_is_relieved_when_no_replica_is_at_work(rows: Rows):
    with leading(rows.database):
        with pytest.raises(RequestError, match="a cluster cannot hand over while they run: stop the API"):
            hand_over(rows.database, "executors")
    row = rows.ask(spec_of("https://example.org"))
    hand_over(rows.database, "executors")
    assert Queue(rows.database, "one").claim().id == row
    with pytest.raises(RequestError, match="by executors"):
        lead(rows.database, lambda over: pytest.fail("it works"), threading.Event())


def test_whoever_takes_something_up_meanwhile_is_seen(rows: Rows):
    """The record cannot change between the look at it and the lease."""
    rows.ask(spec_of("https://example.org"))
    outcome: list[str] = []

    def relieve() -> None:
        try:
            hand_over(rows.database, "cluster")
        except RequestError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=relieve)
    with rows.database.transaction() as session:
        expect(session, "executors")
        thread.start()
        until(lambda: somebody_waits(rows.database))
        request = session.scalars(select(Request)).one()
        request.worker, request.lease_until = "one", func.now() + timedelta(minutes=1)
    thread.join()
    assert "cannot hand over while they run" in outcome[0]


def test_it_is_handed_over_by_a_command(
    rows: Rows, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def hand_over(kind: str) -> int:
        monkeypatch.setenv("MOSAIC_DATABASE_URL", rows.settings.database)  # the program takes it out of the environment
        return program.main(["hand-over", kind])

    Queue(rows.database, "one").join()
    assert hand_over("cluster") == 0
    assert recorded(rows.database) == "cluster"
    assert hand_over("somebody") == 2
    assert "hand-over executors" in capsys.readouterr().err
    with leading(rows.database):
        assert hand_over("executors") == 42
    assert "stop the API that runs with MOSAIC_CLUSTER=true" in capsys.readouterr().err
