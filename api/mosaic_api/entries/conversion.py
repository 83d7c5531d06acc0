"""A child process is let read a file, and what it says, or that it died, is told."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from pydantic import ValidationError

from mosaic_api.entries.boxes import Box
from mosaic_api.entries.job import ENV_JOB, Job, Outcome, Told
from mosaic_api.problems import Invalid

_KEPT = ("PATH", "PYTHONPATH", "TMPDIR", "LANG", "LD_LIBRARY_PATH")
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
_log = logging.getLogger(__name__)


def convert(job: Job) -> Outcome:
    """Let a child process read a file.

    Raises:
        Invalid: the file cannot be taken; it may have made the child crash, or take too long.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "mosaic_api.entries.child"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={name: os.environ[name] for name in _KEPT if name in os.environ}
        | _BOUNDED
        | {ENV_JOB: job.model_dump_json()},
        start_new_session=True,
        cwd=Path(job.outcome).parent,
    )
    try:
        _, said = child.communicate(timeout=job.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise Invalid(
            f"file: to read it takes longer than the {job.seconds} s that are allowed; send it in parts", "file"
        ) from None
    try:
        told = Told.model_validate_json(Path(job.outcome).read_bytes())
    except (FileNotFoundError, ValidationError):
        _log.warning(
            "the reader of a %s ended with %s: %s", job.format, child.returncode, said.decode(errors="replace")
        )
        raise Invalid(
            f"file: the program that reads it ended on it (with code {child.returncode}); the file is damaged, or "
            "takes more memory than is allowed",
            "file",
        ) from None
    if told.error is not None or told.box is None or told.footprint is None:
        raise Invalid(told.error or "file: it has no place", "file")
    return Outcome(Box(*told.box), told.footprint, told.details)
