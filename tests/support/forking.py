"""`python -m support.forking`: a fork server whose processes start a process, report what they are, and wait."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from mosaic_worker.local.fork_server import serve_standard_input


def report_and_wait(files: Sequence[int]) -> None:
    below = os.fork()
    if below:
        opened = [int(file.name) for file in Path("/dev/fd").iterdir()]
        found = {"server": os.getppid(), "session": os.getsid(0), "pids": [os.getpid(), below], "opened": opened}
        os.write(files[0], json.dumps(found).encode())
    os.close(files[0])
    signal.pause()


if __name__ == "__main__":
    serve_standard_input(report_and_wait, sessions=True)
