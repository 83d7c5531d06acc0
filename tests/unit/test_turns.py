"""Turns are shared fairly between owners, and a wait ends when its caller no longer needs the answer."""

import threading
from collections.abc import Callable

import pytest
from mosaic_api.datasets.fair_queue import Cancelled, FairQueue
from mosaic_api.web.admission import Admission
from mosaic_api.web.problems import TooMany, Unavailable

NEVER = threading.Event()


def wait_for(turns: FairQueue, owner: str, done: list[str], go_on: threading.Event = NEVER) -> threading.Thread:
    """A thread that waits for a turn of an owner, records it, and keeps it until it may continue."""

    def work() -> None:
        with turns.turn(owner, threading.Event()):
            done.append(owner)
            if go_on is not NEVER:
                go_on.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(2000):
        if holds():
            return
        waiting.wait(0.01)
    pytest.fail("timed out")


def test_an_owner_with_many_files_delays_another_by_only_one_file():
    turns, done, go_on = FairQueue(1, 1), [], threading.Event()
    threads = [wait_for(turns, "ann", done, go_on)]
    wait_until(lambda: done == ["ann"])
    threads += [wait_for(turns, "ann", done) for _ in range(8)]
    wait_until(lambda: len(turns._waiting.get("ann", ())) == 8)
    threads.append(wait_for(turns, "bob", done))
    wait_until(lambda: "bob" in turns._waiting)
    go_on.set()
    for thread in threads:
        thread.join()
    assert done[:2] == ["ann", "bob"]
    assert len(done) == 10


def test_one_owner_leaves_a_turn_free_for_others():
    turns, done, go_on = FairQueue(2, 1), [], threading.Event()
    threads = [wait_for(turns, "ann", done, go_on) for _ in range(3)]
    wait_until(lambda: done == ["ann"])
    wait_for(turns, "bob", done).join()
    assert done == ["ann", "bob"]
    go_on.set()
    for thread in threads:
        thread.join()


def test_cancels_a_wait():
    turns, cancelled = FairQueue(1, 1), threading.Event()
    with turns.turn("ann", threading.Event()):
        cancelled.set()
        with pytest.raises(Cancelled), turns.turn("bob", cancelled):
            pytest.fail("the cancelled wait got a turn")
    with turns.turn("bob", threading.Event()):
        assert not turns._waiting


def test_slots_are_refused_immediately_and_returned():
    admission = Admission("uploads", 2, 1)
    with admission.slot("ann"):
        with pytest.raises(TooMany, match="limit of 1 uploads in parallel"), admission.slot("ann"):
            pytest.fail("the slot was not refused")
        with admission.slot("bob"), pytest.raises(Unavailable), admission.slot("cem"):
            pytest.fail("the slot was not refused")
    with admission.slot("ann"):
        pass
    with admission.announced("ann", 5) as first, admission.announced("ann", 7) as second:
        assert (first, second) == (0, 5)
    assert not admission._in
    assert not admission._announced
