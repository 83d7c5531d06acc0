"""Executors as containers run them, and requests whose duration a test controls."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mosaic_api.auth.identity import named_user, principal_of
from mosaic_api.database import Database, Request
from mosaic_api.requests import crud
from mosaic_api.settings import Settings

T = TypeVar("T")
PR_SET_CHILD_SUBREAPER = 36


def until(look: Callable[[], T], seconds: float = 60) -> T:
    """Poll until a function returns something true; return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)  # polling interval; the deadline is above
    return found


def spec_of(place: str, **more: Any) -> dict[str, Any]:
    """The spec of an NDSI from two files on a server or in a folder."""
    bands = {"green": f"{place}/green.tif", "swir16": f"{place}/swir16.tif"}
    return {"source": {"files": {"scenes": [{"bands": bands}]}}, "product": {"index": "NDSI"}} | more


@dataclass(frozen=True)
class Rows:
    """The requests in a database, as a test creates and reads them."""

    database: Database
    settings: Settings

    def submit(self, spec: dict[str, Any], name: str | None = None, owner: str = "ann") -> uuid.UUID:
        with self.database.transaction() as session:
            principal = principal_of(named_user(session, owner))
            return crud.create(session, self.settings, principal, name, spec).id

    def read(self, row: uuid.UUID) -> Request:
        with self.database.transaction() as session:
            return session.get_one(Request, row)

    def cancel(self, row: uuid.UUID) -> None:
        with self.database.transaction() as session:
            crud.cancel(session, principal_of(named_user(session, "ann")), row)

    def remove(self, row: uuid.UUID) -> None:
        with self.database.transaction() as session:
            crud.remove(session, principal_of(named_user(session, "ann")), row)

    def gone(self, row: uuid.UUID) -> bool:
        with self.database.transaction() as session:
            return session.get(Request, row) is None

    def until_over(self, row: uuid.UUID, seconds: float = 60) -> Request:
        return until(lambda: request if (request := self.read(row)).over else None, seconds)

    def until_phase(self, row: uuid.UUID, phase: str) -> Request:
        return until(lambda: request if (request := self.read(row)).phase == phase else None)

    def until_tiles(self, row: uuid.UUID, tiles: int = 1) -> Request:
        def look() -> Request | None:
            request = self.read(row)
            assert not request.over, request.status
            return request if request.status.get("progress", {}).get("rangesDone", 0) >= tiles else None

        return until(look)


@contextmanager
def executor(settings: Settings, *, as_subreaper: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run the command of a container; kill it at the end if it still runs."""
    variables = {
        "MOSAIC_DATABASE_URL": settings.database,
        "MOSAIC_STORE": settings.store,
        "MOSAIC_PUBLIC_URL": settings.public_url,
        "MOSAIC_ALLOWED_HOSTS": settings.allowed_hosts or "",
        "MOSAIC_STORE_PATIENCE": "1",
    }
    command = [sys.executable, "-m", "mosaic_api.executor"]
    if as_subreaper:  # like the orphans of process 1
        adopt = f"ctypes.CDLL(None).prctl({PR_SET_CHILD_SUBREAPER}, 1, 0, 0, 0)"
        run = "runpy.run_module('mosaic_api.executor', run_name='__main__')"
        command[1:] = ["-c", f"import ctypes, runpy; {adopt}; {run}"]
    process = subprocess.Popen(command, env=os.environ | variables, text=True, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def files_in(settings: Settings) -> list[str]:
    """The files in the store."""
    root = Path(settings.store)
    found = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]  # others may delete folders
    kept = sorted(str(path.relative_to(root)) for path in found)
    return [path for path in kept if not path.startswith(".unfinished")]


def children(process: int) -> set[int]:
    """All running processes below a process, except the fork server of its executor, which stays."""
    return {each for each in all_below(process) if is_running(each)} - fork_servers(process)


def fork_servers(process: int) -> set[int]:
    """The fork servers that a process has started."""
    return {
        each
        for each in all_below(process)
        if _parent(each) == process and "mosaic_api.executor.child" in _command(each)
    }


def all_below(process: int) -> set[int]:
    """All processes below a process, including dead ones that were not reaped."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if _parent(int(stat.parent.name)) == process:
            found |= {int(stat.parent.name)} | all_below(int(stat.parent.name))
    return found


def _parent(process: int) -> int | None:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def stop(process: "subprocess.Popen[str]", how: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(how)
    return process.wait(20)
