"""After a power cut: what a store said is written is there with its name, and what is lost is made again."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mosaic_crds import names
from mosaic_worker.store.directory import DirectoryStore

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which file a descriptor is of")


class Disk:
    """What would be on the disk after a power cut: of a folder the names, of a file the content, at their last sync."""

    def __init__(self, known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known = known
        self.syncs = 0
        self.folders: dict[int, set[str]] = {}
        self.files: dict[int, bytes] = {}
        real = os.fsync

        def fsync(descriptor: int) -> None:
            self.syncs += 1
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            status = os.fstat(descriptor)
            if path.is_dir():
                self.folders[status.st_ino] = set(os.listdir(descriptor))
            else:
                self.files[status.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    def content(self, path: Path) -> bytes | None:
        """The content that a path would lead to; None if it would lead nowhere."""
        for place in (path, *path.parents):
            if place == self.known:
                break
            if place.name not in self.folders.get(place.parent.stat().st_ino, set()):
                return None
        return self.files.get(path.stat().st_ino)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_a_durable_object_is_there_with_all_folders_on_the_way(tmp_path: Path, disk: Disk):
    root = tmp_path / "new" / "store"
    store = DirectoryStore(root)
    for key in ("mosaics/default/a/1/mosaic.tif", "mosaics/default/a/1/mosaic.json", "mosaics/default/b/2/mosaic.tif"):
        assert store.create(key, [b"whole"])
        assert disk.content(root / key) == b"whole"


def test_a_folder_that_another_process_made_is_synced_too(tmp_path: Path, disk: Disk):
    DirectoryStore(tmp_path / "store").create("work/1/parts/0", [b"x"], durable=False)
    assert disk.content(tmp_path / "store" / "work" / "1" / "parts" / "0") is None
    DirectoryStore(tmp_path / "store").create("work/1/parts/plan.json", [b"plan"])
    assert disk.content(tmp_path / "store" / "work" / "1" / "parts" / "plan.json") == b"plan"


def test_an_object_that_an_interrupted_process_left_is_brought_to_the_disk(tmp_path: Path, disk: Disk):
    DirectoryStore(tmp_path / "store").create("a/b", [b"first"], durable=False)
    assert not DirectoryStore(tmp_path / "store").create("a/b", [b"second"])
    assert disk.content(tmp_path / "store" / "a" / "b") == b"first"


def test_of_two_writers_the_one_who_comes_second_leaves_it_durable_too(tmp_path: Path, disk: Disk):
    store = DirectoryStore(tmp_path / "store")

    def content() -> Any:
        DirectoryStore(tmp_path / "store").create("a/b", [b"other"], durable=False)
        yield b"mine"

    assert not store.create("a/b", content())
    assert disk.content(tmp_path / "store" / "a" / "b") == b"other"


def test_a_write_that_need_not_be_durable_does_not_sync(tmp_path: Path, disk: Disk):
    store = DirectoryStore(tmp_path / "store")
    for number in range(20):
        store.create(names.part_key("1", number, "0" * 64), [b"x"], durable=False)
        store.create(names.record_key("1", number), [b"{}"], durable=False)
    assert disk.syncs == 0


def test_a_durable_object_costs_a_few_syncs(tmp_path: Path, disk: Disk):
    store = DirectoryStore(tmp_path / "store")
    store.create("mosaics/default/a/1/first", [b"x"])
    before = disk.syncs
    store.create("mosaics/default/a/1/second", [b"x"])
    assert disk.syncs - before == 6  # the file, its folder, and the four above


def test_folders_that_may_not_be_opened_or_cannot_be_synced_are_no_error(tmp_path: Path, monkeypatch):
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(22, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert DirectoryStore(tmp_path / "store").create("a/b", [b"x"])
