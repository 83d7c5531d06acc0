"""Time a whole command, and measure the peak memory of each of its processes."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    """One run: wall-clock seconds, and peak MiB of the command's own process and of its largest child process."""

    seconds: float
    own_memory: float
    other_memory: float


@dataclass(frozen=True)
class Runs:
    """Several runs of one command."""

    runs: tuple[Run, ...]

    @property
    def fastest(self) -> float:
        return min(run.seconds for run in self.runs)

    @property
    def median(self) -> float:
        return median(run.seconds for run in self.runs)

    @property
    def own_memory(self) -> float:
        return max(run.own_memory for run in self.runs)

    @property
    def other_memory(self) -> float:
        return max(run.other_memory for run in self.runs)


def run_once(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Run:
    """Run a command until it ends.

    Raises:
        RuntimeError: The command failed; the message has the end of its output.
    """
    peaks: dict[int, float] = {}
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
        )
        while True:
            for pid in _descendants(process.pid):
                peaks[pid] = max(peaks.get(pid, 0.0), _peak_memory(pid))
            try:
                code = process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        seconds = time.perf_counter() - started
    if code:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {code}: {log.read_text()[-2000:]}")
    own = peaks.pop(process.pid, 0.0)
    return Run(seconds, own, max(peaks.values(), default=0.0))


def _descendants(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        try:
            for task in Path(f"/proc/{current}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # the process ended meanwhile
            continue
    return found


def _peak_memory(pid: int) -> float:
    """The peak resident memory of a process in MiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
