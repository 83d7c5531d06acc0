"""What every store does, whatever it is made of: one suite for all."""

import threading
import time
import uuid
from collections.abc import Callable

import pytest
from mosaic_worker.store import Store, open_store, parts

LARGE = 5 * 2**20
"""Bytes of a part in these tests: the least that S3 takes."""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SMALLEST", LARGE)


def content(number: int, size: int = 2 * LARGE + 12345) -> bytes:
    return (uuid.UUID(int=number).bytes * (size // 16 + 1))[:size]


def race(racers: int, create: Callable[[int], bool]) -> list[int]:
    """The numbers of the racers that created it."""
    ready, won = threading.Barrier(racers), []

    def run(number: int) -> None:
        ready.wait()
        if create(number):
            won.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


@pytest.mark.parametrize("key", ["a/b/c.bin", "work/0b5c8f0e/tiles/12-00ff.tif", "mosaics/team/ndsi/x/mosaic.json"])
def test_an_object_is_read_as_it_was_written(store: Store, key: str) -> None:
    assert store.create(key, [b"one", b"", b"two"])
    assert store.read(key) == b"onetwo"


def test_an_object_may_be_empty(store: Store) -> None:
    assert store.create("a/empty", [])
    assert store.read("a/empty") == b""
    assert store.read("a/empty", 0, 10) == b""
    assert not store.create("a/empty", [b"x"])
    with store.open("a/empty") as file:
        assert file.read() == b""


def test_ranges_are_those_of_a_slice(store: Store) -> None:
    store.create("a/range", [b"0123456789"])
    for start, stop in [(0, 1), (3, 7), (9, 10), (5, 5), (8, 20), (10, 12), (20, 30), (0, 10)]:
        assert store.read("a/range", start, stop) == b"0123456789"[start:stop], (start, stop)
    assert store.read("a/range", 4) == b"456789"


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.read("a/nothing") is None
    assert store.read("a/nothing", 3, 7) is None
    assert store.read("a/nothing", 3, 3) is None
    with pytest.raises(FileNotFoundError):
        store.open("a/nothing")


def test_the_first_writer_wins(store: Store) -> None:
    assert store.create("a/first", [b"first"])
    assert not store.create("a/first", [b"second"])
    assert store.read("a/first") == b"first"


def test_the_first_writer_of_something_large_wins(store: Store, small_parts: None) -> None:
    assert store.create("a/large", [content(1)])
    assert not store.create("a/large", [content(2)])
    assert not store.create("a/large", [b"small"])
    assert store.read("a/large") == content(1)


def test_of_32_writers_at_once_one_wins(place, store: Store) -> None:
    won = race(32, lambda number: open_store(place.uri).create("a/raced", [b"%d" % number * 1000]))
    assert len(won) == 1
    assert store.read("a/raced") == b"%d" % won[0] * 1000


def test_of_writers_at_once_of_what_is_sent_by_one_large_request_one_wins(place, store: Store) -> None:
    """A server may answer that there is one already, and hang up, while the content is still being sent."""
    size = parts.SMALLEST - 1
    won = race(8, lambda number: open_store(place.uri).create("a/raced", [content(number, size)]))
    assert len(won) == 1
    assert store.read("a/raced") == content(won[0], size)
    assert not store.create("a/raced", [content(9, size)])


def test_of_large_writers_at_once_one_wins(place, store: Store, small_parts: None) -> None:
    won = race(6, lambda number: open_store(place.uri).create("a/raced", [content(number)]))
    assert len(won) == 1
    assert store.read("a/raced") == content(won[0])


@pytest.mark.parametrize("size", [LARGE - 1, LARGE, LARGE + 1, 2 * LARGE, 3 * LARGE + 7])
def test_content_is_whole_whatever_its_size_and_its_chunks(store: Store, small_parts: None, size: int) -> None:
    whole = content(3, size)
    assert store.create("a/sized", (whole[start : start + 999_983] for start in range(0, size, 999_983)))
    assert store.read("a/sized") == whole
    assert store.read("a/sized", size - 5) == whole[-5:]


@pytest.mark.parametrize("size", [10, 2 * LARGE + 1])
def test_content_that_fails_leaves_nothing_and_may_be_written_again(store: Store, small_parts: None, size: int) -> None:
    def broken():
        yield content(4, size)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        store.create("a/broken", broken())
    assert store.read("a/broken") is None
    assert list(store.list("a/")) == []
    assert store.create("a/broken", [content(4, size)])


def test_objects_are_listed_below_a_prefix_with_the_time_they_were_written(store: Store) -> None:
    before = time.time()
    for key in ("work/1/plan.json", "work/1/tiles/0.json", "work/10/plan.json", "mosaics/x"):
        store.create(key, [b"x"])
    found = list(store.list("work/1/"))
    assert sorted(stored.key for stored in found) == ["work/1/plan.json", "work/1/tiles/0.json"]
    assert all(before - 60 < stored.modified < time.time() + 60 for stored in found)
    assert list(store.list("nothing/")) == []


def test_an_object_that_is_deleted_is_gone_and_may_be_deleted_again(store: Store) -> None:
    store.create("work/1/tiles/0.json", [b"x"])
    store.create("work/2/plan.json", [b"x"])
    store.delete("work/1/tiles/0.json")
    store.delete("work/1/tiles/0.json")
    store.delete("work/never/was.json")
    assert store.read("work/1/tiles/0.json") is None
    assert [stored.key for stored in store.list("work/")] == ["work/2/plan.json"]
    assert store.create("work/1/tiles/0.json", [b"again"])


def test_an_object_is_named_by_the_stores_uri(place, store: Store) -> None:
    assert store.location("mosaics/a/mosaic.tif") == f"{place.uri}/mosaics/a/mosaic.tif"


def test_an_object_is_a_file_to_seek_in(store: Store) -> None:
    whole = content(5, 700_001)
    store.create("a/file", [whole])
    with store.open("a/file") as file:
        assert file.seek(-3, 2) == 699_998
        assert file.read() == whole[-3:]
        file.seek(100)
        assert file.read(300_000) == whole[100:300_100]
        assert file.read(10) == whole[300_100:300_110]
        file.seek(800_000)
        assert file.read(1) == b""
        assert not file.writable()


def test_no_key_leads_out_of_the_store(store: Store) -> None:
    for key in ("../outside", "a/../../outside"):
        with pytest.raises(ValueError, match="is outside the store"):
            store.create(key, [b"x"])
