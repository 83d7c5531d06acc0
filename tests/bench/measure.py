"""Time a whole command, and measure the processor time and the peak memory of its processes."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

POLL_SECONDS = 0.02
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Attributes:
        seconds: Wall-clock seconds.
        processor: Seconds of all processors, of the command's own process and of all others that it started.
        own_memory, other_memory: Peak MiB of its own process, and of the largest other one.
        requests, size: Number of requests to the server of the scenes, and the MiB of the responses.
    """

    seconds: float
    processor: float
    own_memory: float
    other_memory: float
    requests: int = 0
    size: float = 0.0


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
    def processor(self) -> float:
        return median(run.processor for run in self.runs)

    @property
    def own_memory(self) -> float:
        return max(run.own_memory for run in self.runs)

    @property
    def other_memory(self) -> float:
        return max(run.other_memory for run in self.runs)

    @property
    def memory(self) -> float:
        """Peak MiB of the command's own process and of its largest other one, together."""
        return self.own_memory + self.other_memory

    @property
    def requests(self) -> float:
        return median(run.requests for run in self.runs)

    @property
    def size(self) -> float:
        return median(run.size for run in self.runs)


@dataclass
class Processes:
    """A process and its descendants: their peak memory and processor time, found by looking at them often."""

    pid: int
    _memory: dict[int, float] = field(default_factory=dict)
    _seconds: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        for pid in _descendants(self.pid):
            self._memory[pid] = max(self._memory.get(pid, 0.0), _peak_memory(pid))
            self._seconds[pid] = max(self._seconds.get(pid, 0.0), _processor_seconds(pid))

    @property
    def processor(self) -> float:
        return sum(self._seconds.values())

    @property
    def own_memory(self) -> float:
        return self._memory.get(self.pid, 0.0)

    @property
    def other_memory(self) -> float:
        return max((peak for pid, peak in self._memory.items() if pid != self.pid), default=0.0)


def run_once(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Run:
    """Run a command until it ends.

    Raises:
        RuntimeError: The command failed; the message has the end of its output.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
        )
        processes = Processes(process.pid)
        while True:
            processes.look()
            try:
                code = process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        seconds = time.perf_counter() - started
    if code:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {code}: {log.read_text()[-2000:]}")
    return Run(seconds, processes.processor, processes.own_memory, processes.other_memory)


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


def _processor_seconds(pid: int) -> float:
    """The processor time of all threads of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK
