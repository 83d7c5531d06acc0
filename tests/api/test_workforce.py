"""Either executors or a cluster process the requests in a database; a hand-over changes which."""

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
from support.api.installations import waits_for_lock
from support.ports import free_port


def recorded(database: Database) -> str | None:
    with database.transaction() as session:
        return session.scalar(select(Workforce.kind))


@contextmanager
def leading(database: Database) -> Iterator[threading.Event]:
    """A running sync, as in one replica of the API; the event is set while it runs."""
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


def test_refuses_executors_where_a_cluster_processes_requests(rows: Rows, settings: Settings, tmp_path: Path):
    with leading(rows.database):
        pass
    row = rows.submit(spec_of("https://example.org"))
    with executor(settings) as process:
        _, output = process.communicate(timeout=60)
    assert process.returncode == 42
    assert "are processed by a cluster, which excludes executors" in output
    assert "`python -m mosaic_api hand-over executors`" in output
    assert "Traceback" not in output
    with (
        pytest.raises(RequestError, match="by a cluster"),
        running_installation(InstallationPaths(tmp_path, database=settings.database), {}),
    ):
        pass
    assert (rows.read(row).phase, recorded(rows.database)) == ("Pending", "cluster")


def test_refuses_a_cluster_where_executors_process_requests(
    rows: Rows, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    Queue(rows.database, "one").join()
    variables = {
        "DATABASE_URL": settings.database,
        "STORE": settings.store,
        "PUBLIC_URL": PUBLIC_URL,
        "CLUSTER": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"MOSAIC_{name}", value)
    monkeypatch.setattr(program, "configuration", lambda: Configuration(host="https://127.0.0.1:1"))
    monkeypatch.setattr(program, "PORT", free_port())
    assert program.main([]) == 42
    output = capsys.readouterr().err
    assert "are processed by executors, which excludes a cluster" in output
    assert "`python -m mosaic_api hand-over cluster`" in output
    with pytest.raises(RequestError):
        lead(rows.database, lambda over: pytest.fail("it works"), threading.Event())


def test_allows_many_executors(rows: Rows):
    submitted = {rows.submit(spec_of("https://example.org")) for _ in range(3)}
    assert {Queue(rows.database, f"worker-{number}").claim().id for number in range(3)} == submitted
    assert recorded(rows.database) == "executors"


def test_only_one_of_two_concurrent_kinds_starts(rows: Rows):
    for _ in range(10):
        with rows.database.transaction() as session:
            session.execute(delete(Workforce))
        barrier, started = threading.Barrier(8), []

        def claim_kind(kind: Any, barrier: threading.Barrier, started: list[str]) -> None:
            barrier.wait()
            try:
                with rows.database.transaction() as session:
                    expect(session, kind)
            except RequestError:
                return
            started.append(kind)

        kinds = ("executors", "cluster") * 4
        threads = [threading.Thread(target=claim_kind, args=(kind, barrier, started)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert started == [recorded(rows.database)] * 4


def test_executors_hand_over_when_they_hold_no_lease(rows: Rows):
    queue = Queue(rows.database, "one")
    claim = (rows.submit(spec_of("https://example.org")), queue.claim())[1]
    with pytest.raises(RequestError, match="executors cannot hand over while they run: stop the executors"):
        hand_over(rows.database, "cluster")
    assert recorded(rows.database) == "executors"
    with rows.database.transaction() as session:
        session.execute(update(Request).values(lease_until=func.now() - timedelta(seconds=1)))
    hand_over(rows.database, "cluster")
    with pytest.raises(RequestError, match="by a cluster"):
        queue.claim()
    with pytest.raises(LostError):  # an executor that lost its lease cannot report
        queue.report(claim.id, claim.status)
    rows.cancel(claim.id)
    with pytest.raises(RequestError):
        settle(rows.database, rows.settings.store, [str(claim.id)])
    assert not rows.read(claim.id).over
    with leading(rows.database):
        pass


def test_a_cluster_hands_over_when_no_replica_runs(rows: Rows):
    with leading(rows.database):
        with pytest.raises(RequestError, match="a cluster cannot hand over while they run: stop the API"):
            hand_over(rows.database, "executors")
    row = rows.submit(spec_of("https://example.org"))
    hand_over(rows.database, "executors")
    assert Queue(rows.database, "one").claim().id == row
    with pytest.raises(RequestError, match="by executors"):
        lead(rows.database, lambda over: pytest.fail("it works"), threading.Event())


def test_a_hand_over_sees_a_concurrent_claim(rows: Rows):
    """The record cannot change between reading it and taking the lease."""
    rows.submit(spec_of("https://example.org"))
    outcome: list[str] = []

    def attempt() -> None:
        try:
            hand_over(rows.database, "cluster")
        except RequestError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=attempt)
    with rows.database.transaction() as session:
        expect(session, "executors")
        thread.start()
        until(lambda: waits_for_lock(rows.database))
        request = session.scalars(select(Request)).one()
        request.worker, request.lease_until = "one", func.now() + timedelta(minutes=1)
    thread.join()
    assert "cannot hand over while they run" in outcome[0]


def test_a_command_hands_over(rows: Rows, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def hand_over(kind: str) -> int:
        monkeypatch.setenv("MOSAIC_DATABASE_URL", rows.settings.database)  # the program removes it from the environment
        return program.main(["hand-over", kind])

    Queue(rows.database, "one").join()
    assert hand_over("cluster") == 0
    assert recorded(rows.database) == "cluster"
    assert hand_over("somebody") == 2
    assert "hand-over executors" in capsys.readouterr().err
    with leading(rows.database):
        assert hand_over("executors") == 42
    assert "stop the API that runs with MOSAIC_CLUSTER=true" in capsys.readouterr().err
