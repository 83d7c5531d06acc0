"""The fork server of an executor, and its replacement."""

import os
from dataclasses import dataclass
from threading import Lock

from mosaic_worker.local.fork_server import Child, ForkServer, ServerDiedError

from mosaic_api.settings import SECRETS

MOST_PROCESSES = 100
"""Processes of a fork server. All have the same addresses in memory, so code that takes one over knows those of the
next ones, until the server is replaced."""
CHILD = "mosaic_api.executor.child"


@dataclass
class _Counted:
    """A fork server, and how many processes it has forked, and has running."""

    server: ForkServer
    forked: int = 0
    running: int = 0


class ForkServers:
    """Forks the processes of requests. The server is replaced after some processes, and when it dies."""

    def __init__(self, module: str = CHILD) -> None:
        """Start the first server; it imports its modules in the background. `module` is its program."""
        self._module = module
        self._lock = Lock()
        self._of: dict[Child, _Counted] = {}
        self._current = self._started()

    def start(self, files: list[int]) -> Child:
        """Fork the process of a request, which gets copies of some files; see `child.run_job`.

        Raises:
            ServerDiedError: a new server died, too.
        """
        with self._lock:
            if self._current.forked >= MOST_PROCESSES:
                self._replace()
            try:
                child = self._current.server.start(files)
            except ServerDiedError:
                self._replace()
                child = self._current.server.start(files)
            self._current.forked += 1
            self._current.running += 1
            self._of[child] = self._current
        return child

    def end(self, child: Child) -> int:
        """Kill a process with all that it started, if it has not ended; return its exit code."""
        child.kill()
        code = child.wait()
        with self._lock:
            counted = self._of.pop(child)
            counted.running -= 1
            if counted is not self._current and not counted.running:
                counted.server.close()
        return code

    def close(self) -> None:
        """End the current server. No process may run."""
        self._current.server.close()

    def _started(self) -> _Counted:
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        return _Counted(ForkServer.spawn(self._module, environment))

    def _replace(self) -> None:
        replaced, self._current = self._current, self._started()
        if not replaced.running:
            replaced.server.close()
