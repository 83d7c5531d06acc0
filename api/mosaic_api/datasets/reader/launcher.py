"""A child process is let read a file, and what it says, or that it died, is told."""

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

from mosaic_api.datasets.boxes import Box
from mosaic_api.datasets.fair_queue import Cancelled
from mosaic_api.datasets.reader.job import ENV_JOB, Job, Outcome, ReaderReply
from mosaic_api.web.problems import Invalid

_KEPT = ("PATH", "PYTHONPATH", "LANG", "LD_LIBRARY_PATH")
"""Of the environment: the database's password and tokens are none of the child's business."""
_BOUNDED = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",  # nobody listens there, so that no file makes GDAL ask a server
    "GDAL_NUM_THREADS": "1",
    "OGR_SQLITE_ALLOW_EXTERNAL_ACCESS": "NO",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
LOOK_SECONDS = 0.05
"""Between two looks at a child."""
LARGEST_OUTCOME = 16 * 2**20
"""Bytes that are read of what a child tells, which may be more than it should."""
MOST_WORDS = 4000
"""Bytes of what a child said that are logged."""
_log = logging.getLogger(__name__)


def convert(job: Job, cancelled: threading.Event | None = None) -> Outcome:
    """Let a child process read a file.

    Args:
        job: what to read, and within which bounds.
        cancelled: kills the child when it is set.

    Raises:
        Invalid: the file cannot be taken; it may have made the child crash, or take too long.
        Cancelled: it was cancelled.
    """
    words = Path(job.outcome).with_name("words")
    with words.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "mosaic_api.datasets.reader"],
            stdin=subprocess.PIPE,  # nothing is written to it: the child ends when this process does
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
            os.killpg(child.pid, signal.SIGKILL)  # its own id, and so its group's, until it is waited for
        child.communicate()
    try:
        with Path(job.outcome).open("rb") as file:
            told = ReaderReply.model_validate_json(file.read(LARGEST_OUTCOME))
    except (FileNotFoundError, ValidationError):
        _log.warning("the reader of a %s ended with %s: %s", job.format, child.returncode, _last(words))
        raise Invalid(
            f"file: the program that reads it ended on it (with code {child.returncode}); the file is damaged, or "
            "takes more memory than is allowed",
            "file",
        ) from None
    if told.error is not None or told.box is None or told.footprint is None:
        raise Invalid(told.error or "file: it has no place", "file")
    return Outcome(Box(*told.box), told.footprint, told.details)


def _await(child: "subprocess.Popen[bytes]", seconds: int, cancelled: threading.Event) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if cancelled.is_set():
            raise Cancelled
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        cancelled.wait(LOOK_SECONDS)
    raise Invalid(
        f"file: to read it takes longer than the {seconds} s that are allowed for its size; send it in parts", "file"
    )


def _last(words: Path) -> str:
    """What the child said at its end."""
    with words.open("rb") as file:
        file.seek(max(0, words.stat().st_size - MOST_WORDS))
        return file.read().decode(errors="replace")
