"""What is decided about a name, one situation at a time; and the line in which names wait."""

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


def test_a_new_row_that_is_cancelled_is_not():
    new = row(cancelled=NOW)
    assert decided(new) == [GiveUp(new)]


def test_the_request_that_a_row_was_applied_as_is_its_own_though_it_has_not_heard_of_it():
    new = row()
    found = resource(of=new)
    assert decided(new, found=found) == [TakeOver(new, found)]


def test_a_row_that_says_what_its_request_says_needs_nothing():
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
def test_what_the_cluster_tells_is_taken_over(change: dict[str, Any]):
    known = row(uid="u1")
    found = resource(**change)
    assert decided(known, found=found) == [TakeOver(known, found)]


def test_a_cancelled_row_is_cancelled_in_the_cluster_until_it_is_over():
    known = row(uid="u1", cancelled=NOW)
    assert decided(known, found=resource()) == [Cancel(known, "u1")]
    assert decided(known, found=resource(spec={"execution": {"cancel": True}})) == []
    assert decided(row(uid="u1", cancelled=NOW, item={}, status=DONE), found=resource(status=DONE)) == []


def test_a_published_item_is_fetched_until_it_is_there():
    known = row(uid="u1", status=DONE)
    assert decided(known, found=resource(status=DONE)) == [FetchItem(known)]
    assert decided(row(uid="u1", status=DONE, item={}), found=resource(status=DONE)) == []


def test_a_row_whose_request_is_not_there_has_lost_it():
    known = row(uid="u1", status=RUNNING)
    assert decided(known) == [Lose(known)]


def test_another_request_of_the_name_gets_a_row_once_the_first_has_lost_its_own():
    known = row(uid="u1")
    other = resource("u2")
    assert decided(known, found=other) == [Lose(known)]
    assert decided(found=other) == [Adopt(other)]


def test_a_request_that_only_says_it_is_that_of_a_row_is_not():
    known = row(uid="u1")
    assert decided(known, found=resource("u2", of=known)) == [Lose(known)]


def test_a_name_that_is_taken_is_changed_also_of_a_row_that_was_refused():
    for taken in (row(), row(cancelled=NOW), row(status={"phase": "Failed"})):
        assert decided(taken, found=resource("u2")) == [Rename(taken)]


def test_a_request_that_leaves_is_waited_for():
    new, old = row(), row(uid="u1", removed=NOW)
    assert decided(new, found=resource("u2", leaving=True)) == []
    assert decided(old, new, found=resource("u1", leaving=True)) == []
    assert decided(found=resource(leaving=True)) == []
    assert decided(old, new, found=resource("u1")) == [Delete(old, "u1")]
    assert decided(row(uid="u1", cancelled=NOW), found=resource(leaving=True)) == []


def test_a_removed_row_ends_when_nothing_is_left_of_it():
    old = row(uid="u1", removed=NOW, status=RUNNING)
    assert decided(old, found=resource()) == [Delete(old, "u1")]
    assert decided(old) == [Lose(old)]
    gone = row(uid="u1", removed=NOW, status=RUNNING, gone=NOW)
    assert decided(gone, now=NOW + timedelta(seconds=20)) == [Wait((LINGERING - timedelta(seconds=20)).total_seconds())]
    assert decided(gone, now=NOW + LINGERING) == [Forget(gone)]
    for at_once in (row(removed=NOW), row(uid="u1", removed=NOW, status=DONE)):
        assert decided(at_once) == [Forget(at_once)]


def test_a_row_that_was_removed_before_it_heard_of_its_request_deletes_it():
    old = row(removed=NOW)
    assert decided(old, found=resource(of=old)) == [Delete(old, "u1")]


# -- the line


def test_a_name_stands_in_the_line_once_and_is_never_worked_on_twice_at_a_time():
    line = NameQueue()
    for _ in range(3):
        line.add("a")
    assert line.take() == "a"
    line.add("a")
    line.add("b")
    assert line.take() == "b"
    line.done("a", failed=False, longest=1)
    assert line.take() == "a"
    line.close()
    assert line.take() is None


def test_what_failed_comes_again_later_each_time_but_at_once_when_something_is_heard():
    line = NameQueue()
    waits = []
    line.add("a")
    for _ in range(3):
        begun = time.monotonic()
        assert line.take() == "a"
        waits.append(time.monotonic() - begun)
        line.done("a", failed=True, longest=0.8)
    assert waits[0] < 0.3
    assert waits[1] == pytest.approx(0.5, abs=0.3)
    assert waits[2] == pytest.approx(0.8, abs=0.3)
    begun = time.monotonic()
    line.add("a")
    assert line.take() == "a"
    assert time.monotonic() - begun < 0.3


def test_the_earliest_time_counts():
    line = NameQueue()
    line.add("a", 30)
    line.add("a", 0.1)
    line.add("a", 30)
    begun = time.monotonic()
    assert line.take() == "a"
    assert time.monotonic() - begun < 5
    line.done("a", failed=False, longest=1)
    threading.Timer(0.2, line.close).start()
    assert line.take() is None
