"""The password of a private PostgreSQL.

The folder of the socket keeps other users out. The password also keeps out sealed processes of the same user
(`mosaic_worker.isolation`), which can open sockets, but cannot read this file.

The file is in the folder of the database, in the format of libpq (`passfile`). It is created last: a folder without it
is not protected, because it is from an earlier version or the protection was interrupted, and `protect` runs again.
"""

import secrets
import tempfile
import time
from pathlib import Path

from mosaic_crds.errors import PassingError

from mosaic_api.postgres.programs import call, replace_file

_RULES = """\
# Written by mosaic-operator. The password is in the file mosaic-password beside this one.
local all all scram-sha-256
"""
_OPTIONS = {
    "exit_on_error": "on",
    "password_encryption": "scram-sha-256",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
}
"""An error ends the program, and no log contains the password."""


def password_file(data: Path) -> Path:
    """The file with the password of a database."""
    return data / "mosaic-password"


def is_protected(data: Path) -> bool:
    """Whether a database has a password that its server requires."""
    return password_file(data).exists()


def protect(data: Path, programs: Path, seconds: float) -> None:
    """Set a new password that the next server of a data folder requires; no server may run.

    `seconds` is how long to wait for the remains of a killed server.

    Raises:
        PassingError: the password cannot be set.
    """
    password, end = secrets.token_hex(32), time.monotonic() + seconds
    options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
    with tempfile.TemporaryFile() as statement:
        statement.write(f"ALTER ROLE postgres PASSWORD '{password}'\n".encode())
        while True:
            statement.seek(0)
            done = call(programs / "postgres", "--single", "-D", data, *options, "postgres", given=statement)
            if done.returncode == 0:
                break
            if time.monotonic() > end:
                raise PassingError(f"PostgreSQL cannot set the password of {data}: {done.stdout.strip()}")
            time.sleep(0.1)
    replace_file(data / "pg_hba.conf", _RULES)
    replace_file(password_file(data), f"*:*:*:postgres:{password}\n")
