"""The decisions of the sync about a name, one situation at a time, and the queue of names."""

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mosaic_api.database import Request
from mosaic_api.kube.resource import Resource
from mosaic_api.sync.decide import (
    LINGERING,
    Action,
    Adopt,
    Apply,
    Cancel,
    Delete,
    FetchItem,
    Forget,
    GiveUp,
    Lose,
    Rename,
    TakeOver,
    Wait,
    decide,
)
from mosaic_api.sync.observed import Observed
from mosaic_api.sync.queue import NameQueue
from mosaic_crds.names import ANNOTATION_ROW

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PENDING = {"phase": "Pending"}
RUNNING = {"phase": "Running"}
DONE = {"phase": "Succeeded"}


def row(**changes: Any) -> Request:
    status = changes.get("status", PENDING)
    return Request(
        **{"id": uuid.uuid4(), "name": "one", "changed": NOW, "spec": {}, "status": status, "phase": status["phase"]}
        | changes
    )


def resource(uid: str = "u1", of: Request | None = None, leaving: bool = False, **document: Any) -> Resource:
    metadata = {"name": "one", "uid": uid, "annotations": {ANNOTATION_ROW: str(of.id)} if of else {}}
    metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}
    return Resource({"metadata": metadata, "spec": {"execution": {"parallelism": 8, "suspend": False}}} | document)


def decided(*rows: Request, found: Resource | None = None, now: datetime = NOW) -> list[Action]:
    return decide(Observed(rows, found), now)


def test_a_new_row_is_applied():
    new = row()
    assert decided(new) == [Apply(new)]


def test_a_new_row_that_is_cancelled_is_not_applied():
    new = row(cancelled=NOW)
    assert decided(new) == [GiveUp(new)]


def test_a_row_takes_over_the_request_with_its_annotation():
    new = row()
    found = resource(of=new)
    assert decided(new, found=found) == [TakeOver(new, found)]


def test_a_row_that_equals_its_request_needs_no_action():
    assert decided(row(uid="u1"), found=resource()) == []
    assert decided(row(uid="u1", status=RUNNING), found=resource(status=RUNNING)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": RUNNING},
        {"spec": {"execution": {"parallelism": 3}}},
        {"spec": {"execution": {"suspend": True}}},
        {"spec": {"execution": {"cancel": True}}},
    ],
)
def test_changes_in_the_cluster_are_copied(change: dict[str, Any]):
    known = row(uid="u1")
    found = resource(**change)
    assert decided(known, found=found) == [TakeOver(known, found)]


def test_a_cancelled_row_is_cancelled_in_the_cluster_unless_it_has_finished():
    known = row(uid="u1", cancelled=NOW)
    assert decided(known, found=resource()) == [Cancel(known, "u1")]
    assert decided(known, found=resource(spec={"execution": {"cancel": True}})) == []
    assert decided(row(uid="u1", cancelled=NOW, item={}, status=DONE), found=resource(status=DONE)) == []


def test_a_published_item_is_fetched_once():
    known = row(uid="u1", status=DONE)
    assert decided(known, found=resource(status=DONE)) == [FetchItem(known)]
    assert decided(row(uid="u1", status=DONE, item={}), found=resource(status=DONE)) == []


def test_a_row_without_its_request_has_lost_it():
    known = row(uid="u1", status=RUNNING)
    assert decided(known) == [Lose(known)]


def test_another_request_of_the_name_gets_a_row_after_the_first_row_lost_its_request():
    known = row(uid="u1")
    other = resource("u2")
    assert decided(known, found=other) == [Lose(known)]
    assert decided(found=other) == [Adopt(other)]


def test_a_request_with_a_copied_annotation_does_not_belong_to_the_row():
    known = row(uid="u1")
    assert decided(known, found=resource("u2", of=known)) == [Lose(known)]


def test_a_row_whose_name_is_in_use_is_renamed():
    for taken in (row(), row(cancelled=NOW), row(status={"phase": "Failed"})):
        assert decided(taken, found=resource("u2")) == [Rename(taken)]


def test_waits_for_a_request_that_is_being_deleted():
    new, old = row(), row(uid="u1", removed=NOW)
    assert decided(new, found=resource("u2", leaving=True)) == []
    assert decided(old, new, found=resource("u1", leaving=True)) == []
    assert decided(found=resource(leaving=True)) == []
    assert decided(old, new, found=resource("u1")) == [Delete(old, "u1")]
    assert decided(row(uid="u1", cancelled=NOW), found=resource(leaving=True)) == []


def test_a_removed_row_is_deleted_after_its_request():
    old = row(uid="u1", removed=NOW, status=RUNNING)
    assert decided(old, found=resource()) == [Delete(old, "u1")]
    assert decided(old) == [Lose(old)]
    gone = row(uid="u1", removed=NOW, status=RUNNING, gone=NOW)
    assert decided(gone, now=NOW + timedelta(seconds=20)) == [Wait((LINGERING - timedelta(seconds=20)).total_seconds())]
    assert decided(gone, now=NOW + LINGERING) == [Forget(gone)]
    for immediate in (row(removed=NOW), row(uid="u1", removed=NOW, status=DONE)):
        assert decided(immediate) == [Forget(immediate)]


def test_a_row_removed_before_it_knew_its_request_deletes_it():
    old = row(removed=NOW)
    assert decided(old, found=resource(of=old)) == [Delete(old, "u1")]


# -- the queue


def test_a_name_is_queued_once_and_processed_by_one_worker_at_a_time():
    name_queue = NameQueue()
    for _ in range(3):
        name_queue.add("a")
    assert name_queue.take() == "a"
    name_queue.add("a")
    name_queue.add("b")
    assert name_queue.take() == "b"
    name_queue.done("a", failed=False, longest=1)
    assert name_queue.take() == "a"
    name_queue.close()
    assert name_queue.take() is None


def test_failures_back_off_and_a_change_ends_the_wait():
    name_queue = NameQueue()
    waits = []
    name_queue.add("a")
    for _ in range(3):
        started = time.monotonic()
        assert name_queue.take() == "a"
        waits.append(time.monotonic() - started)
        name_queue.done("a", failed=True, longest=0.8)
    assert waits[0] < 0.3
    assert waits[1] == pytest.approx(0.5, abs=0.3)
    assert waits[2] == pytest.approx(0.8, abs=0.3)
    started = time.monotonic()
    name_queue.add("a")
    assert name_queue.take() == "a"
    assert time.monotonic() - started < 0.3


def test_the_earliest_time_applies():
    name_queue = NameQueue()
    name_queue.add("a", 30)
    name_queue.add("a", 0.1)
    name_queue.add("a", 30)
    started = time.monotonic()
    assert name_queue.take() == "a"
    assert time.monotonic() - started < 5
    name_queue.done("a", failed=False, longest=1)
    threading.Timer(0.2, name_queue.close).start()
    assert name_queue.take() is None
