"""Faults that need access to the node: kill or stop a process."""

import gzip
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from mosaic_crds.worker_pod import FILE, FOLDER

from support.cluster.cluster import until

STARTING_SECONDS = 0.1
"""Between looks for a worker's process. Its imports alone take longer than that."""
SPARE_BYTES = 2**20
"""Memory that a worker can still get after its limit is lowered."""
WRITING_SECONDS = 0.001
"""Between looks for the file that the process writes."""


def worker_processes(uid: str, step: str, index: int | None = None) -> list[int]:
    """The processes of a request's workers: of a step, or of one range."""
    wanted = b"" if index is None else f"JOB_COMPLETION_INDEX={index}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if b"mosaic_worker" not in command or step.encode() not in command:
                continue
            if wanted in (folder / "environ").read_bytes() and uid.encode() in _input_of(folder):
                found.append(int(folder.name))
    return found


def _input_of(process: Path) -> bytes:
    """The input document of a worker, as the worker sees it."""
    return gzip.decompress((process / "root" / FOLDER.removeprefix("/") / FILE).read_bytes())


def operator_process(pod: str) -> int:
    """The process of the operator in a pod."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if b"mosaic_operator" in command and f"POD_NAME={pod}\0".encode() in (folder / "environ").read_bytes():
                return int(folder.name)
    raise AssertionError(f"no process of {pod} runs here")


def kill_worker(uid: str, step: str, index: int | None = None) -> None:
    """Kill a worker of a step."""
    processes = until(lambda: worker_processes(uid, step, index), f"a worker is at {step}")
    os.kill(processes[0], signal.SIGKILL)


def take_memory(uid: str, step: str) -> None:
    """Lower the memory limit of a worker to what it uses, so that the kernel kills it when it needs more."""
    (process, *_) = until(lambda: worker_processes(uid, step), f"a worker is at {step}")
    lines = Path(f"/proc/{process}/cgroup").read_text().splitlines()
    places = {kinds: place for _, kinds, place in (line.split(":", 2) for line in lines)}
    if "memory" in places:  # version 1
        folder = Path(f"/sys/fs/cgroup/memory{places['memory']}")
        usage, limit = folder / "memory.usage_in_bytes", folder / "memory.limit_in_bytes"
    else:
        folder = Path(f"/sys/fs/cgroup{places['']}")
        usage, limit = folder / "memory.current", folder / "memory.max"
    limit.write_text(str(int(usage.read_text()) + SPARE_BYTES))


def stop_when(uid: str, step: str, appears: Path, seconds: float = 120) -> int:
    """Stop a worker (SIGSTOP) as soon as a file appears; return its process."""
    deadline = time.monotonic() + seconds
    processes: list[int] = []
    while not appears.exists():
        if not processes:
            processes = worker_processes(uid, step)
        assert time.monotonic() < deadline, f"{appears} did not appear"
        time.sleep(WRITING_SECONDS if processes else STARTING_SECONDS)
    process = (processes or worker_processes(uid, step))[0]
    os.kill(process, signal.SIGSTOP)
    return process
