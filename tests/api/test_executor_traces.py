"""Requests that end without a mosaic leave no files in the store, also after failures of workers and the store."""

import os
import signal
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mosaic_api.database import Database, OrphanFile, Request
from mosaic_api.datasets.orphans import ABANDONED_SECONDS, sweep
from mosaic_api.executor import cleanup
from mosaic_api.executor.events import Inbox
from mosaic_api.executor.idle_requests import settle
from mosaic_api.executor.queue import ATTEMPTS, LostError, Queue
from mosaic_api.executor.status import ExecutorStatus
from mosaic_api.executor.worker import Outcome, record_outcome
from mosaic_api.settings import Settings
from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import Phase
from mosaic_worker.store import open_store
from sqlalchemy import func, select, update

from support.api.executors import children, executor, files_in, spec_of, until


def test_the_message_contains_notes_on_the_values():
    story = ExecutorStatus({"phase": "Finalizing"}, datetime.now(UTC))
    result = {"cog": "file:///store/mosaic.tif", "item": "file:///store/mosaic.json", "notes": ["6 values do not fit"]}
    story.receive({"published": result, "item": {}}, 0)
    assert story.status["message"] == "Published file:///store/mosaic.tif; 6 values do not fit"
    assert story.status["result"]["notes"] == ["6 values do not fit"]


def test_gives_up_a_request_whose_workers_always_die_and_deletes_its_files(rows, settings, database):
    row = rows.submit(spec_of("https://example.org"), "some")
    for attempt in range(ATTEMPTS):
        assert Queue(database, f"worker-{attempt}").claim().attempts == attempt + 1
        with database.transaction() as session:
            session.execute(update(Request).values(lease_until=func.now()))
    assert Queue(database, "last").claim() is None
    write_leftovers(settings, row)
    settle(database, settings.store)
    given_up = rows.read(row)
    assert given_up.phase == "Failed"
    assert given_up.status["message"].endswith("or see the log (tried 5 times)")
    assert files_in(settings) == []


def ended_as(claim: Request, phase: str) -> ExecutorStatus:
    """The status of a request whose processing ended."""
    story = ExecutorStatus(claim.status, datetime.now(UTC))
    story.enter(Phase(phase), "it ended")
    return story


def write_leftovers(settings: Settings, row: uuid.UUID) -> None:
    """Write the files that a dead worker leaves: intermediate files, and a part of the results."""
    store = open_store(settings.store)
    name = f"mosaics/default/some/{row}"
    for key in (f"work/{row}/plan.json", f"work/{row}/records/0/0.json", f"{name}/mosaic.tif"):
        store.create(key, [b"x"])


@pytest.mark.parametrize("phase", ["Failed", "Cancelled"])
def test_deletes_files_once_after_the_deletion_failed_at_the_end_of_a_request(
    rows, settings, database, monkeypatch, phase
):
    row = rows.submit(spec_of("https://example.org"), "some")
    claim = Queue(database, "one").claim()
    write_leftovers(settings, row)
    with monkeypatch.context() as away:
        away.setattr(cleanup, "delete_files", fail_now)
        inbox = Inbox()
        record_outcome(Outcome(), claim, ended_as(claim, phase), Queue(database, "one"), settings, inbox)
        assert rows.read(row).phase == phase
        settle(database, settings.store)
    assert len(files_in(settings)) == 3
    settle(database, settings.store)
    assert files_in(settings) == []
    monkeypatch.setattr(cleanup, "delete_files", lambda *_: pytest.fail("it is looked for again"))
    settle(database, settings.store)
    ended = rows.read(row)
    assert (ended.phase, ended.status["message"]) == (phase, "it ended")


@pytest.mark.parametrize("ends", ["removed", "cancelled", "failed", "succeeded"])
def test_sweeps_the_files_of_a_worker_that_lost_its_request(rows, settings, database, monkeypatch, ends):
    row = rows.submit(spec_of("https://example.org"), "some")
    lost = Queue(database, "one").claim()
    with database.transaction() as session:
        session.execute(update(Request).values(lease_until=func.now()))
    if ends in {"removed", "cancelled"}:
        (rows.remove if ends == "removed" else rows.cancel)(row)
        settle(database, settings.store)
    else:
        other = Queue(database, "two")
        claim = other.claim()
        record_outcome(Outcome(), claim, ended_as(claim, ends.capitalize()), other, settings, Inbox())
    monkeypatch.setattr(cleanup, "delete_files", fail_now)  # the first worker notices the loss
    write_leftovers(settings, row)
    with pytest.raises(LostError):
        record_outcome(Outcome(), lost, ended_as(lost, "Failed"), Queue(database, "one"), settings, Inbox())
    store = open_store(settings.store)
    sweep(database, store)
    assert len(files_in(settings)) == 3  # the worker may still be writing
    with database.transaction() as session:
        session.execute(
            update(OrphanFile).values(since=OrphanFile.since - timedelta(hours=6, seconds=ABANDONED_SECONDS))
        )
    sweep(database, store)
    assert files_in(settings) == ([f"mosaics/default/some/{row}/mosaic.tif"] if ends == "succeeded" else [])
    with database.transaction() as session:
        assert session.scalars(select(OrphanFile)).all() == []


def fail_now(*_: object) -> None:
    raise PassingError("the store is away")


def test_never_sweeps_the_files_of_a_started_request(rows, settings, database):
    row = rows.submit(spec_of("https://example.org"), "some")
    queue = Queue(database, "one")
    claim = queue.claim()
    write_leftovers(settings, row)
    settle(database, settings.store)
    queue.release(row, claim.status)
    settle(database, settings.store)
    Queue(database, "two").claim()
    settle(database, settings.store)
    assert len(files_in(settings)) == 3


def halted(process: int, database: Database, row: uuid.UUID) -> bool:
    """Stop an executor with SIGSTOP, unless it has the row of its request locked, which would block everything else."""
    os.kill(process, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    try:
        with database.transaction() as session:
            session.get_one(Request, row, with_for_update={"of": Request, "nowait": True})
    except PassingError:
        os.kill(process, signal.SIGCONT)
        return False
    return True


@pytest.mark.parametrize("gone", [True, False], ids=["removed", "cancelled"])
def test_a_resumed_executor_leaves_no_files_of_a_request_that_has_ended(rows, settings, serve, database, gone):
    """The executor was stopped for longer than its lease, and another one cancelled or removed the request."""
    address = serve(0.5)
    row = rows.submit(spec_of(f"http://{address}"), "some")
    with executor(replace(settings, allowed_hosts=address)) as process:
        rows.until_tiles(row)
        until(lambda: halted(process.pid, database, row))
        below = children(process.pid)
        for each in below:
            os.kill(each, signal.SIGSTOP)
        with database.transaction() as session:
            session.execute(update(Request).values(lease_until=func.now() - timedelta(seconds=1)))
        (rows.remove if gone else rows.cancel)(row)
        settle(database, settings.store)
        assert rows.gone(row) if gone else rows.read(row).phase == "Cancelled"
        assert files_in(settings) == []
        write_leftovers(settings, row)  # its workers still write until the executor notices
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: not children(process.pid), 30)
        until(lambda: files_in(settings) == [], 10)
        assert process.poll() is None
