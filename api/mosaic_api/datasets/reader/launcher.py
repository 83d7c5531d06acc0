"""Runs the process that reads a file, and reports its result or its crash."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from mosaic_api.datasets.fair_queue import Cancelled
from mosaic_api.datasets.reader.job import ENV_JOB, Job, Outcome, ReaderReply
from mosaic_api.web.problems import Invalid

_KEPT = ("PATH", "PYTHONPATH", "LANG", "LD_LIBRARY_PATH")
"""The only variables that the child gets: no passwords or tokens."""
_BOUNDED = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",  # nothing listens there, so that no file makes GDAL call a server
    "GDAL_NUM_THREADS": "1",
    "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
LOOK_SECONDS = 0.05
"""How often the child is checked."""
LARGEST_OUTCOME = 16 * 2**20
"""Bytes of a reply that are read."""
MOST_STDERR = 4000
"""Bytes of the child's last output that are logged."""
_log = logging.getLogger(__name__)


def convert(job: Job, cancelled: threading.Event | None = None) -> Outcome:
    """Read a file in a child process, which ends when `cancelled` is set.

    Raises:
        Invalid: the file cannot be used, crashes the child, or takes too long.
        Cancelled: it was cancelled.
    """
    stderr = Path(job.outcome).with_name("stderr")
    with stderr.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "mosaic_api.datasets.reader"],
            stdin=subprocess.PIPE,  # never written to: the child ends when this process does
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={name: os.environ[name] for name in _KEPT if name in os.environ}
            | _BOUNDED
            | {ENV_JOB: job.model_dump_json(), "TMPDIR": str(Path(job.outcome).parent)},
            start_new_session=True,
            cwd=Path(job.outcome).parent,
        )
    try:
        _await(child, job.seconds, cancelled or threading.Event())
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # the group exists until the child is waited for
        child.communicate()
    try:
        with Path(job.outcome).open("rb") as file:
            reply = ReaderReply.model_validate_json(file.read(LARGEST_OUTCOME))
    except (FileNotFoundError, ValidationError):
        _log.warning("the reader of a %s ended with %s: %s", job.format, child.returncode, _last(stderr))
        raise Invalid(
            f"file: it could not be read (code {child.returncode}): it is damaged, or needs too much memory",
            "file",
        ) from None
    if reply.outcome is None:
        raise Invalid(reply.error, "file")
    return reply.outcome


def _await(child: "subprocess.Popen[bytes]", seconds: int, cancelled: threading.Event) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if cancelled.is_set():
            raise Cancelled
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        cancelled.wait(LOOK_SECONDS)
    raise Invalid(f"file: reading it takes longer than the {seconds} s that are allowed for its size; split it", "file")


def _last(stderr: Path) -> str:
    """The last output of the child."""
    with stderr.open("rb") as file:
        file.seek(max(0, stderr.stat().st_size - MOST_STDERR))
        return file.read().decode(errors="replace")
