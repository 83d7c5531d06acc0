"""Temporary disk space: space is reserved once, and files of killed servers are deleted, but no others."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mosaic_api.datasets.scratch import PREFIX, Scratch, sweep_scratch
from mosaic_api.web.problems import NoRoom

KILLED = """
import os, signal
from mosaic_api.datasets.scratch import Scratch
folder = Scratch().folder
(folder / "half an upload").write_bytes(bytes(1000))
print(folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_deletes_only_the_files_of_killed_servers(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    left = Path(ended.stdout.strip())
    assert (left / "half an upload").exists()
    (tmp_path / "others").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "others")
    (tmp_path / "others" / "file").touch()
    running = Scratch()
    (running.folder / "under way").touch()
    assert sweep_scratch() == 1
    assert not left.exists()
    assert (running.folder / "under way").exists()
    assert (tmp_path / "others" / "file").exists()
    folder = running.folder
    running.close()
    assert not folder.exists()


def test_does_not_reserve_the_same_space_twice():
    scratch = Scratch(1000)
    with scratch.reserved(700):
        with pytest.raises(NoRoom, match="has no space now"), scratch.reserved(400):
            pytest.fail("more than the free space was reserved")
        with scratch.reserved_up_to(10_000) as found:
            assert found == 150
            with scratch.reserved(150):
                pass
    with scratch.reserved(1000):
        pass


def test_counts_written_files_once(monkeypatch):
    disk = {"free": 1000}
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(**disk))
    scratch = Scratch()
    with scratch.reserved(400) as written:
        disk["free"] -= 400
        with pytest.raises(NoRoom), scratch.reserved(600):
            pytest.fail("more than the free space was reserved")
        written()
        written()
        with scratch.reserved(600):
            pass
    disk["free"] += 400
    with scratch.reserved(1000):
        pass
