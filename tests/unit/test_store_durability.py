"""After a power failure, written objects exist under their names, and lost ones are computed again."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mosaic_crds import names
from mosaic_worker.store.directory import DirectoryStore

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which file a descriptor is of")


class Disk:
    """The disk after a power failure: names of a folder and content of a file are those of their last sync."""

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
        """The content that a path leads to, or None."""
        for place in (path, *path.parents):
            if place == self.known:
                break
            if place.name not in self.folders.get(place.parent.stat().st_ino, set()):
                return None
        return self.files.get(path.stat().st_ino)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_a_durable_object_survives_with_all_its_folders(tmp_path: Path, disk: Disk):
    root = tmp_path / "new" / "store"
    store = DirectoryStore(root)
    for key in ("mosaics/default/a/1/mosaic.tif", "mosaics/default/a/1/mosaic.json", "mosaics/default/b/2/mosaic.tif"):
        assert store.create(key, [b"whole"])
        assert disk.content(root / key) == b"whole"


def test_syncs_a_folder_that_another_process_created(tmp_path: Path, disk: Disk):
    DirectoryStore(tmp_path / "store").create("work/1/parts/0", [b"x"], durable=False)
    assert disk.content(tmp_path / "store" / "work" / "1" / "parts" / "0") is None
    DirectoryStore(tmp_path / "store").create("work/1/parts/plan.json", [b"plan"])
    assert disk.content(tmp_path / "store" / "work" / "1" / "parts" / "plan.json") == b"plan"


def test_syncs_an_object_of_an_interrupted_process(tmp_path: Path, disk: Disk):
    DirectoryStore(tmp_path / "store").create("a/b", [b"first"], durable=False)
    assert not DirectoryStore(tmp_path / "store").create("a/b", [b"second"])
    assert disk.content(tmp_path / "store" / "a" / "b") == b"first"


def test_an_object_is_durable_after_the_second_of_two_writers_too(tmp_path: Path, disk: Disk):
    store = DirectoryStore(tmp_path / "store")

    def content() -> Any:
        DirectoryStore(tmp_path / "store").create("a/b", [b"other"], durable=False)
        yield b"mine"

    assert not store.create("a/b", content())
    assert disk.content(tmp_path / "store" / "a" / "b") == b"other"


def test_a_write_without_durability_does_not_sync(tmp_path: Path, disk: Disk):
    store = DirectoryStore(tmp_path / "store")
    for number in range(20):
        store.create(names.part_key("1", number, "0" * 64), [b"x"], durable=False)
        store.create(names.record_key("1", 0, number), [b"{}"], durable=False)
    assert disk.syncs == 0


def test_a_durable_object_costs_a_few_syncs(tmp_path: Path, disk: Disk):
    store = DirectoryStore(tmp_path / "store")
    store.create("mosaics/default/a/1/first", [b"x"])
    before = disk.syncs
    store.create("mosaics/default/a/1/second", [b"x"])
    assert disk.syncs - before == 6  # the file, its folder, and the four above


def test_accepts_folders_that_cannot_be_opened_or_synced(tmp_path: Path, monkeypatch):
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(22, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert DirectoryStore(tmp_path / "store").create("a/b", [b"x"])
