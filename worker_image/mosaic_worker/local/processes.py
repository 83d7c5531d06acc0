"""Computes ranges in worker processes on one machine, as the operator does in pods.

A process that dies or times out is replaced, and its range is repeated; finished tiles are kept.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Protocol

from mosaic_crds.errors import MosaicError, PassingError
from mosaic_crds.reports import reported

from mosaic_worker.local.fork_server import Child, ForkServer, ServerDiedError
from mosaic_worker.memory import keep_freed_memory


class Work(Protocol):
    """Computes a range in a worker process; picklable."""

    def __call__(self, index: int, report: Callable[[int], None]) -> None:
        """Compute a range; report the index of each finished tile."""


@dataclass(frozen=True)
class Done:
    """A range is done."""


@dataclass(frozen=True)
class Failed:
    """A range failed with an expected error."""

    error: MosaicError


@dataclass(frozen=True)
class Crashed:
    """A range failed with an unexpected error; `sentence` says what happened and where the report is."""

    sentence: str


class _Worker:
    """A process and its current range."""

    def __init__(self, work: Work) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            self.process = _start(theirs.fileno())
        with contextlib.suppress(BrokenPipeError):  # its status reports a dead process
            self.connection.send(work)
        self.index: int | None = None
        self.last: int | None = None
        self.deadline = float("inf")

    @property
    def handles(self) -> tuple[Connection, int]:
        """What to wait for: a message, or the end of the process."""
        return self.connection, self.process.status

    def hand(self, index: int, deadline: float) -> None:
        self.index, self.last, self.deadline = index, index, deadline
        with contextlib.suppress(BrokenPipeError):  # its status reports a dead process
            self.connection.send(index)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()


_servers: list[ForkServer] = []
"""The fork server of this process, if it has one."""


def fork_workers_from_here() -> None:
    """Fork the fork server from this process, which must have imported `local.run`, if it has one thread.

    Otherwise `run_ranges` starts a program, which imports it again.
    """
    if not _servers and threading.active_count() == 1:
        _servers.append(ForkServer.fork(work_until_killed))
        atexit.register(_servers[0].leave)


def _start(connection: int) -> Child:
    """Fork a worker."""
    if _servers:
        try:
            return _servers[-1].start([connection])
        except ServerDiedError:
            _servers.pop().close()
    server = ForkServer.spawn("mosaic_worker.local", os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    atexit.register(server.close)
    _servers.append(server)
    return server.start([connection])


def run_ranges(
    ranges: Sequence[int],
    work: Work,
    processes: int,
    *,
    attempts: int,
    seconds_per_range: float,
    on_tile: Callable[[int], None],
) -> None:
    """Compute ranges in processes.

    Args:
        ranges: the unfinished ranges.
        work: computes a range.
        processes: the number of parallel processes.
        attempts: how often a range may lose its process before the run fails.
        seconds_per_range: the time limit of a range.
        on_tile: called with the index of each finished tile.

    Raises:
        MosaicError: the first error of a range; the other processes are killed.
        PassingError: a range lost its process too often.
    """
    waiting = set(ranges)
    tried = dict.fromkeys(ranges, 0)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.index is not None for worker in workers):
            idle = [worker for worker in workers if worker.index is None]
            while waiting and (idle or len(workers) < processes):
                worker = idle.pop() if idle else _Worker(work)
                if worker not in workers:
                    workers.append(worker)
                chosen = next_range(waiting, {other.index for other in workers if other.index is not None}, worker.last)
                waiting.remove(chosen)
                worker.hand(chosen, time.monotonic() + seconds_per_range)
            for worker in _ready(workers):
                lost = _listen(worker, on_tile)
                if lost is None:
                    continue
                workers.remove(worker)
                index = worker.index
                worker.end()
                if index is not None:
                    tried[index] += 1
                    if tried[index] >= attempts:
                        raise PassingError(
                            f"range {index} lost its worker process {attempts} times ({lost}); run again"
                        )
                    waiting.add(index)
    finally:
        for worker in workers:
            worker.end()


def next_range(waiting: Collection[int], busy: Collection[int], last: int | None) -> int:
    """The best range for a process after its last one: the next, which shares decoded source blocks.

    Otherwise a range of the longest contiguous run: its first, or its middle if another process will reach the run.
    """
    if last is not None and last + 1 in waiting:
        return last + 1
    runs: list[list[int]] = []
    for index in sorted(waiting):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    longest = max(runs, key=len)
    return longest[len(longest) // 2] if longest[0] - 1 in busy else longest[0]


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """The workers that sent a message, died, or timed out."""
    soonest = min(worker.deadline for worker in workers if worker.index is not None)
    timeout = None if soonest == float("inf") else max(0.0, soonest - time.monotonic())
    woken = set(wait([handle for worker in workers for handle in worker.handles], timeout))
    now = time.monotonic()
    return [
        worker
        for worker in workers
        if not woken.isdisjoint(worker.handles) or (worker.index is not None and now >= worker.deadline)
    ]


def _listen(worker: _Worker, on_tile: Callable[[int], None]) -> str | None:
    """Handle the messages of a worker. Return why it must be replaced, if it must."""
    try:
        while worker.connection.poll():
            message = worker.connection.recv()
            if isinstance(message, int):
                on_tile(message)
            elif isinstance(message, Failed):
                raise message.error
            elif isinstance(message, Crashed):
                return message.sentence
            else:
                worker.index = None
    except (EOFError, ConnectionResetError):
        return f"ended with code {worker.process.wait()}"
    if wait([worker.process.status], 0):
        return f"ended with code {worker.process.wait()}"
    if worker.index is not None and time.monotonic() >= worker.deadline:
        return "timed out"
    return None


def work_until_killed(files: Sequence[int]) -> None:
    """The loop of a worker process: one range at a time. The first message on its connection is the `Work`."""
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends its workers
    (file,) = files
    connection: Connection = Connection(file)
    with contextlib.suppress(BrokenPipeError, EOFError):
        work: Work = connection.recv()
        while True:
            index: int = connection.recv()
            try:
                work(index, connection.send)
            except MosaicError as error:
                connection.send(Failed(error))
            except Exception as error:
                connection.send(Crashed(reported(error)))
            else:
                connection.send(Done())
