"""Starts and ends the process of a request."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from threading import Thread
from typing import IO, cast

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json

from mosaic_api.executor.confinement import remove_empty_folders
from mosaic_api.executor.events import Ended, Inbox, Message
from mosaic_api.executor.job import Job
from mosaic_api.settings import SECRETS


class RequestProcess:
    """Puts the messages of the process, and then its end, into an inbox."""

    def __init__(self, job: Job, inbox: Inbox) -> None:
        """Start the process."""
        self._job, self._scratch = job, tempfile.mkdtemp(prefix="mosaic-request-")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mosaic_api.executor.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name not in SECRETS} | {"TMPDIR": self._scratch},
        )
        self._stdin, self._stdout = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self._inbox = inbox
        self._listener = Thread(target=self._listen, args=(job.to_line(),), daemon=True)
        self._listener.start()

    def end(self) -> int:
        """Kill the process with all its workers, if it has not ended; return its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the group exists until the process is waited for
        code = self._process.wait()
        with contextlib.suppress(ChildProcessError):  # as process 1 of a container, this one inherits the workers
            while True:
                os.waitpid(-self._process.pid, 0)
        self._listener.join()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        remove_empty_folders(self._job)
        return code

    def _listen(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line)
            self._stdin.flush()
        for text in self._stdout:
            with contextlib.suppress(RequestError):  # it was killed while it wrote a message
                self._inbox.put(Message(self, parse_json(text, "a message of the child")))
        self._inbox.put(Ended(self))
