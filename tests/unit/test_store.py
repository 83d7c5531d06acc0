"""A store: objects are complete, written once, and errors are reported."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mosaic_crds.errors import PassingError, RequestError
from mosaic_worker.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def test_an_object_is_unchanged_when_it_is_read(store):
    assert store.create("a/b/c.bin", [b"one", b"", b"two"])
    assert store.read("a/b/c.bin") == b"onetwo"


def test_the_first_writer_wins(store):
    assert store.create("a", [b"first"])
    assert not store.create("a", [b"second"])
    assert store.read("a") == b"first"


def test_one_of_many_concurrent_writers_wins(store):
    ready, won = threading.Barrier(16), []

    def write(number: int) -> None:
        ready.wait()
        if store.create("raced", [b"%d" % number * 1000]):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("raced") == b"%d" % won[0] * 1000


def test_an_error_of_the_content_leaves_no_object(store, tmp_path):
    def content():
        yield b"half"
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        store.create("a/b", content())
    assert store.read("a/b") is None
    assert [file for file in (tmp_path / "store").rglob("*") if file.is_file()] == []


def test_lists_keys_below_a_prefix(store):
    for key in ("work/1/plan.json", "work/1/tiles/0.json", "work/10/plan.json", "mosaics/x"):
        store.create(key, [b"x"])
    assert sorted(stored.key for stored in store.list("work/1/")) == ["work/1/plan.json", "work/1/tiles/0.json"]
    assert list(store.list("nothing/")) == []


def test_deletes_empty_folders_too(store, tmp_path):
    store.create("work/1/tiles/0.json", [b"x"])
    store.create("work/2/plan.json", [b"x"])
    store.delete("work/1/tiles/0.json")
    store.delete("work/1/tiles/0.json")
    assert store.read("work/1/tiles/0.json") is None
    assert not (tmp_path / "store/work/1").exists()
    assert store.read("work/2/plan.json") == b"x"


def test_an_object_has_a_location(store, tmp_path):
    assert store.location("a b") == f"file://{tmp_path}/store/a%20b"
    assert open_store(f"file://{tmp_path}/with%20space").location("x") == f"file://{tmp_path}/with%20space/x"


def test_a_key_cannot_lead_out_of_the_store(store):
    with pytest.raises(ValueError, match="is outside the store"):
        store.create("../outside", [b"x"])


def test_reports_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PassingError, match=r"the store .*/file cannot be written: "):
        open_store(str(tmp_path / "file")).create("a", [b"x"])


def test_reports_a_full_store_with_a_solution(tmp_path):
    full = Path("/dev/full")
    store = open_store(str(tmp_path))

    def fill():
        with full.open("wb", buffering=0) as file:
            file.write(b"x")
        yield b""

    with pytest.raises(PassingError, match="is full; free some space and run again, finished tiles are kept"):
        store.create("never", fill())


def test_deletes_files_of_a_killed_writer_after_a_day(store, tmp_path):
    store.create("a", [b"x"])
    old, new = (tmp_path / "store/.unfinished" / name for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    store.create("b", [b"x"])
    assert not old.exists()
    assert new.exists()


def test_opens_an_object_as_a_file(store, tmp_path):
    store.create("a", [b"content"])
    with store.open("a") as file:
        assert (file.name, file.read()) == (f"{tmp_path}/store/a", b"content")
    with pytest.raises(FileNotFoundError, match="the store has no file:///"):
        store.open("b")


@pytest.mark.parametrize("uri", ["gopher://someone:pw@x", "s3:bucket", "https://x/y", "file://elsewhere/x"])
def test_refuses_an_unknown_kind_of_store(uri):
    with pytest.raises(RequestError, match=r"unknown store \w+:…; use a path,") as caught:
        open_store(uri)
    assert "pw" not in str(caught.value)


def test_a_directory_imports_no_library_of_another_kind_of_store(tmp_path):
    """Importing takes a second, which `mosaic run` with a directory must not spend."""
    code = (
        "import sys; from mosaic_worker.store import open_store; "
        "import mosaic_worker.tiles.ranges, mosaic_worker.finalize.publishing;"
        f"open_store({str(tmp_path)!r}).create('a', [b'x']);"
        "print(sorted({'azure', 'awscrt', 'requests', 'tenacity', 'msal'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
