"""Runs the parts of `make test` beside each other, and says how long each took.

    python tests/parts.py TARGET...     targets of the Makefile, in the order in which they start

The first part waits for a cluster most of the time. The others run beside it at a lower priority, so that they do not
delay it. The output of a part is shown when the part ends. All parts run, also after one has failed.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

AT_A_TIME = 3
"""On two cores: the cluster waits for its pods, others for their servers and browsers."""
LOWER_PRIORITY = 10
"""The niceness of all parts but the first."""


@dataclass(frozen=True)
class Outcome:
    """How a part went.

    Attributes:
        name: of its target.
        code: exit code.
        seconds: that it took.
        cpu: seconds of processor time, without that of pods, and of servers that outlive the part.
    """

    name: str
    code: int
    seconds: float
    cpu: float

    def __str__(self) -> str:
        result = "passed" if self.code == 0 else "FAILED"
        return f"{self.name:<13} {result} {clock(self.seconds)} ({clock(self.cpu).strip()} of processor time)"


def clock(seconds: float) -> str:
    """A duration in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:3}:{rest:02}"


class Parts:
    """Commands by the names of their parts, and what runs of them."""

    def __init__(self, commands: dict[str, Sequence[str]]) -> None:
        self._commands = commands
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._starting, self._output = threading.Lock(), threading.Lock()
        self._interrupted = False

    def run(self) -> list[Outcome]:
        """Run all of them; an interrupt ends those that run, and no others start."""
        with ThreadPoolExecutor(AT_A_TIME) as slots:
            try:
                return list(slots.map(self._run_one, self._commands))
            except BaseException:
                slots.shutdown(wait=False, cancel_futures=True)
                with self._starting:
                    self._interrupted = True
                    for part in self._running.values():
                        part.terminate()
                raise

    def _run_one(self, name: str) -> Outcome:
        niceness = 0 if name == next(iter(self._commands)) else LOWER_PRIORITY
        command = ["nice", "-n", str(niceness), *self._commands[name]]
        with tempfile.TemporaryFile() as written:
            with self._starting:
                if self._interrupted:
                    return Outcome(name, 1, 0, 0)
                begun = time.monotonic()
                part = self._running[name] = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT)
            with self._output:
                print(f"test: {name} starts", flush=True)
            _, status, usage = os.wait4(part.pid, 0)
            with self._starting:
                part.returncode = os.waitstatus_to_exitcode(status)
                del self._running[name]
            outcome = Outcome(name, part.returncode, time.monotonic() - begun, usage.ru_utime + usage.ru_stime)
            written.seek(0)
            with self._output:
                print(f"\n{f' {name} ':#^100}", flush=True)
                shutil.copyfileobj(written, sys.stdout.buffer)
                print(f"test: {outcome}", flush=True)
        return outcome


def main(names: Sequence[str]) -> int:
    """Run targets of the Makefile; give the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    begun = time.monotonic()
    outcomes = Parts({name: ["make", "--no-print-directory", name] for name in names}).run()
    print("\ntest: how long each part took, in minutes and seconds")
    for outcome in outcomes:
        print(f"test: {outcome}")
    print(f"test: {'all of it':<20} {clock(time.monotonic() - begun)}")
    return int(any(outcome.code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
