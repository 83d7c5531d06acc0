"""A process that has imported what others need, and forks them on request: this takes milliseconds, importing a second.

Forking a process with threads is unsafe, because they may hold locks. So the server has one thread, has opened nothing,
and does nothing but fork. It shares a socket pair with its owner, which no other process can reach.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, Self

from mosaic_worker.isolation.kernel import adopt_orphans

Main = Callable[[Sequence[int]], None]
"""What a forked process runs, with the files that it was given."""

_START, _KILL = b"s", b"k"
_MESSAGE, _NUMBER = struct.Struct("=ci"), struct.Struct("=i")
_MOST_FILES = 4
_LOST = -signal.SIGKILL
"""The exit code of a process whose server died: the kernel or its server killed it."""


class ServerDiedError(Exception):
    """The fork server has died; another one must be started."""


class Child:
    """A process that a server forked.

    Attributes:
        pid: its id.
        status: a file that becomes readable when it has ended.
    """

    def __init__(self, channel: socket.socket, status: int) -> None:
        """Wait until it is forked; the server writes its id, and at the end its exit code."""
        self._channel, self.status = channel, status
        self._code: int | None = None
        pid = self._read()
        if pid is None:
            os.close(status)
            raise ServerDiedError
        self.pid = pid

    def kill(self) -> None:
        """Kill it, and all processes of its session if it leads one; nothing happens if it has ended."""
        with contextlib.suppress(OSError):  # the server died, and its processes end with it
            self._channel.send(_MESSAGE.pack(_KILL, self.pid))

    def wait(self) -> int:
        """Wait for its end, and return its exit code, negative for a signal."""
        if self._code is None:
            code = self._read()
            self._code = _LOST if code is None else code
            os.close(self.status)
        return self._code

    def _read(self) -> int | None:
        read = os.read(self.status, _NUMBER.size)
        number: int | None = _NUMBER.unpack(read)[0] if read else None
        return number


class ForkServer:
    """A fork server, as its owner sees it. Threads may share it."""

    def __init__(self, channel: socket.socket, wait: Callable[[], object]) -> None:
        """`wait` waits for its end."""
        self._channel, self._wait = channel, wait

    @classmethod
    def fork(cls, main: Main) -> Self:
        """Fork a server from this process, which must have one thread and have imported what `main` needs."""
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        opened = {int(file.name) for file in Path("/dev/fd").iterdir()}  # an isolated process can only list its own
        pid = os.fork()
        if pid == 0:
            with _Ending():
                _leave_to_owner()
                for file in opened - {0, 1, 2, theirs.fileno()}:
                    with contextlib.suppress(OSError):
                        os.close(file)
                serve(theirs, main)
        theirs.close()
        return cls(ours, partial(os.waitpid, pid, 0))

    @classmethod
    def spawn(cls, module: str, environment: dict[str, str] | None = None) -> Self:
        """Start a server as a new program: a module that calls `serve_standard_input`."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", module]
            process = subprocess.Popen(  # noqa: S603 (our own module)
                command, stdin=theirs.fileno(), env=environment, start_new_session=True
            )
        return cls(ours, process.wait)

    def start(self, files: Sequence[int]) -> Child:
        """Fork a process that gets copies of some files.

        Raises:
            ServerDiedError: the server has died.
        """
        reading, writing = os.pipe()
        try:
            socket.send_fds(self._channel, [_MESSAGE.pack(_START, 0)], [writing, *files])
        except OSError:
            os.close(reading)
            raise ServerDiedError from None
        finally:
            os.close(writing)
        return Child(self._channel, reading)

    def leave(self) -> None:
        """End the server, which kills its processes, without waiting for it."""
        self._channel.close()

    def close(self) -> None:
        """End the server, which kills its processes."""
        self.leave()
        self._wait()


def serve(channel: socket.socket, main: Main, *, sessions: bool = False) -> None:
    """Fork processes until the owner ends, and then kill them.

    Args:
        channel: the socket to the owner.
        main: what they run.
        sessions: whether each leads a session; all processes of the session end with it.
    """
    gc.freeze()  # collections would write to all pages, and so copy them in each process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the owner ends this one
    if sessions:
        adopt_orphans()
    server = _Server(channel, main, sessions)
    while server.step():
        pass


def serve_standard_input(main: Main, *, sessions: bool = False) -> None:
    """Serve the owner at the other end of the standard input, which its processes do not get; see `serve`."""
    channel = socket.socket(fileno=os.dup(0))
    _leave_to_owner()
    serve(channel, main, sessions=sessions)


def _leave_to_owner() -> None:
    """Leave standard input and output to the owner."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)


class _Server:
    """The state of a server: the files to which it writes the end of its processes, by their ids."""

    def __init__(self, channel: socket.socket, main: Main, sessions: bool) -> None:
        self._channel, self._main, self._sessions = channel, main, sessions
        self._children: dict[int, int] = {}
        self._woken, self._wakes = socket.socketpair()
        for end in (self._woken, self._wakes):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)

    def step(self) -> bool:
        """Wait for the next event and handle it. Return whether the owner lives."""
        readable, _, _ = select.select([self._channel, self._woken], [], [])
        if self._woken in readable:
            self._woken.recv(4096)
            self._reap()
        if self._channel not in readable:
            return True
        message, files, _, _ = socket.recv_fds(self._channel, _MESSAGE.size, _MOST_FILES)
        if not message:
            for pid in self._children:
                self._kill(pid)
                os.waitpid(pid, 0)
                self._end_session(pid)
            return False
        kind, pid = _MESSAGE.unpack(message)
        if kind == _START:
            self._fork(files[0], files[1:])
        elif pid in self._children:
            self._kill(pid)
        return True

    def _fork(self, status: int, files: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            with _Ending():
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (self._channel, self._woken, self._wakes):
                    each.close()
                for other in (status, *self._children.values()):
                    os.close(other)
                if self._sessions:
                    os.setsid()
                self._main(files)
        for file in files:
            os.close(file)
        self._children[pid] = status
        _write(status, pid)

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            self._end_session(pid)
            _write(self._children[pid], os.waitstatus_to_exitcode(status))
            os.close(self._children.pop(pid))

    def _end_session(self, pid: int) -> None:
        """Kill the processes that a dead one left, and wait for them."""
        if self._sessions:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-pid, 0)

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)  # it exists until it is waited for
        if self._sessions:
            with contextlib.suppress(ProcessLookupError):  # it leads no session yet, and so has no processes
                os.killpg(pid, signal.SIGKILL)


def _write(status: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the owner has ended
        os.write(status, _NUMBER.pack(number))


class _Ending:
    """Ends a forked process after its block: it must not continue with the code of its parent."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> NoReturn:
        if error is not None:
            traceback.print_exception(error)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(0 if error is None else 1)
