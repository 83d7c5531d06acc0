"""The contract of all stores: one suite for every kind."""

import threading
import time
import uuid
from collections.abc import Callable

import pytest
from mosaic_worker.store import Store, open_store, parts

LARGE = 5 * 2**20
"""Bytes of a part in these tests, the minimum of S3."""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SMALLEST", LARGE)


def content(number: int, size: int = 2 * LARGE + 12345) -> bytes:
    return (uuid.UUID(int=number).bytes * (size // 16 + 1))[:size]


def race(racers: int, create: Callable[[int], bool]) -> list[int]:
    """The indexes of the concurrent writers that created the object."""
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
def test_an_object_is_unchanged_when_it_is_read(store: Store, key: str) -> None:
    assert store.create(key, [b"one", b"", b"two"])
    assert store.read(key) == b"onetwo"


def test_an_object_may_be_empty(store: Store) -> None:
    assert store.create("a/empty", [])
    assert store.read("a/empty") == b""
    assert store.read("a/empty", 0, 10) == b""
    assert not store.create("a/empty", [b"x"])
    with store.open("a/empty") as file:
        assert file.read() == b""


def test_ranges_equal_slices(store: Store) -> None:
    store.create("a/range", [b"0123456789"])
    for start, stop in [(0, 1), (3, 7), (9, 10), (5, 5), (8, 20), (10, 12), (20, 30), (0, 10)]:
        assert store.read("a/range", start, stop) == b"0123456789"[start:stop], (start, stop)
    assert store.read("a/range", 4) == b"456789"


def test_a_missing_object_is_none(store: Store) -> None:
    assert store.read("a/nothing") is None
    assert store.read("a/nothing", 3, 7) is None
    assert store.read("a/nothing", 3, 3) is None
    with pytest.raises(FileNotFoundError):
        store.open("a/nothing")


def test_the_first_writer_wins(store: Store) -> None:
    assert store.create("a/first", [b"first"])
    assert not store.create("a/first", [b"second"])
    assert store.read("a/first") == b"first"


def test_the_first_writer_of_a_large_object_wins(store: Store, small_parts: None) -> None:
    assert store.create("a/large", [content(1)])
    assert not store.create("a/large", [content(2)])
    assert not store.create("a/large", [b"small"])
    assert store.read("a/large") == content(1)


def test_one_of_32_concurrent_writers_wins(place, store: Store) -> None:
    won = race(32, lambda number: open_store(place.uri).create("a/raced", [b"%d" % number * 1000]))
    assert len(won) == 1
    assert store.read("a/raced") == b"%d" % won[0] * 1000


def test_one_of_several_concurrent_writers_with_one_large_request_wins(place, store: Store) -> None:
    """A server may report an existing object and close the connection while the content is still being sent."""
    size = parts.SMALLEST - 1
    won = race(8, lambda number: open_store(place.uri).create("a/raced", [content(number, size)]))
    assert len(won) == 1
    assert store.read("a/raced") == content(won[0], size)
    assert not store.create("a/raced", [content(9, size)])


def test_one_of_several_concurrent_writers_of_large_objects_wins(place, store: Store, small_parts: None) -> None:
    won = race(6, lambda number: open_store(place.uri).create("a/raced", [content(number)]))
    assert len(won) == 1
    assert store.read("a/raced") == content(won[0])


@pytest.mark.parametrize("size", [LARGE - 1, LARGE, LARGE + 1, 2 * LARGE, 3 * LARGE + 7])
def test_content_of_any_size_and_chunks_is_complete(store: Store, small_parts: None, size: int) -> None:
    whole = content(3, size)
    assert store.create("a/sized", (whole[start : start + 999_983] for start in range(0, size, 999_983)))
    assert store.read("a/sized") == whole
    assert store.read("a/sized", size - 5) == whole[-5:]


@pytest.mark.parametrize("size", [10, 2 * LARGE + 1])
def test_an_error_of_the_content_leaves_no_object_and_allows_another_write(
    store: Store, small_parts: None, size: int
) -> None:
    def broken():
        yield content(4, size)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        store.create("a/broken", broken())
    assert store.read("a/broken") is None
    assert list(store.list("a/")) == []
    assert store.create("a/broken", [content(4, size)])


def test_lists_objects_below_a_prefix_with_their_time_and_size(store: Store) -> None:
    before = time.time()
    for key in ("work/1/plan.json", "work/1/tiles/0.json", "work/10/plan.json", "mosaics/x"):
        store.create(key, [b"x" * len(key)])
    found = list(store.list("work/1/"))
    sizes = {stored.key: stored.size for stored in found}
    assert sizes == {"work/1/plan.json": 16, "work/1/tiles/0.json": 19}
    assert all(before - 60 < stored.modified < time.time() + 60 for stored in found)
    assert list(store.list("nothing/")) == []


def test_deleting_an_object_twice_is_allowed(store: Store) -> None:
    store.create("work/1/tiles/0.json", [b"x"])
    store.create("work/2/plan.json", [b"x"])
    store.delete("work/1/tiles/0.json")
    store.delete("work/1/tiles/0.json")
    store.delete("work/never/was.json")
    assert store.read("work/1/tiles/0.json") is None
    assert [stored.key for stored in store.list("work/")] == ["work/2/plan.json"]
    assert store.create("work/1/tiles/0.json", [b"again"])


def test_the_uri_of_an_object_begins_with_that_of_the_store(place, store: Store) -> None:
    assert store.location("mosaics/a/mosaic.tif") == f"{place.uri}/mosaics/a/mosaic.tif"


def test_an_object_opens_as_a_seekable_file(store: Store) -> None:
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


def test_a_key_cannot_lead_out_of_the_store(store: Store) -> None:
    for key in ("../outside", "a/../../outside"):
        with pytest.raises(ValueError, match="is outside the store"):
            store.create(key, [b"x"])
