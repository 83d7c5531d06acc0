"""Starts and ends the process of a request."""

import contextlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from threading import Thread

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json

from mosaic_api.executor.confinement import remove_empty_folders
from mosaic_api.executor.events import Ended, Inbox, Message
from mosaic_api.executor.fork_servers import ForkServers
from mosaic_api.executor.job import Job


class RequestProcess:
    """Puts the messages of the process, and then its end, into an inbox."""

    def __init__(self, job: Job, inbox: Inbox, servers: ForkServers) -> None:
        """Start the process."""
        self._job = replace(job, scratch=tempfile.mkdtemp(prefix="mosaic-request-"))
        job_out, self._stdin = os.pipe()
        self._messages, messages_in = os.pipe()
        try:
            self._servers, self._process = servers, servers.start([job_out, messages_in])
        except BaseException:
            os.close(self._stdin)
            os.close(self._messages)
            Path(self._job.scratch).rmdir()
            raise
        finally:
            os.close(job_out)
            os.close(messages_in)
        self._inbox = inbox
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def end(self) -> int:
        """Kill the process with all its workers, if it has not ended; return its exit code."""
        code = self._servers.end(self._process)
        os.close(self._stdin)
        self._listener.join()
        shutil.rmtree(self._job.scratch, ignore_errors=True)
        remove_empty_folders(self._job)
        return code

    def _listen(self) -> None:
        with contextlib.suppress(BrokenPipeError), open(self._stdin, "w", encoding="utf-8", closefd=False) as stdin:
            stdin.write(self._job.to_line())
        with os.fdopen(self._messages, encoding="utf-8") as messages:
            for text in messages:
                with contextlib.suppress(RequestError):  # it was killed while it wrote a message
                    self._inbox.put(Message(self, parse_json(text, "a message of the child")))
        self._inbox.put(Ended(self))
