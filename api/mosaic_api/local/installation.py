"""`mosaic serve`: all of it on one machine, for one user: a database, a store, the executor and the page.

Everything lies in one folder, and ends together: with Ctrl-C, with the terminal, or with a kill. What was in hand goes
on at the next start.
"""

import contextlib
import fcntl
import logging
import os
import signal
import socket
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import uvicorn
from mosaic_crds.errors import RequestError

from mosaic_api.app import create_app
from mosaic_api.auth.local_token import FILE as TOKEN_FILE
from mosaic_api.auth.local_token import announced, link, token_of
from mosaic_api.background.loops import Loops
from mosaic_api.database import Database
from mosaic_api.executor.executor import Executor
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_api.settings import Settings
from mosaic_api.web.connections import LOOPBACK, OPTIONS

LEAVE_SECONDS = 3
"""What open connections are given at the end."""
GIVE_BACK_SECONDS = 30
_MODE = 0o711 if os.geteuid() == 0 else 0o700
"""Of a new folder of data; root's database server runs as another user, who has to pass through."""


@dataclass(frozen=True)
class InstallationPaths:
    """Where an installation on this machine keeps what it has.

    Attributes:
        data: the folder of all that is not elsewhere.
        store: URI of its store; a folder in `data` if None.
        database: URL of its database; a private one in `data` if None.
        scenes: folders in which requests may read files.
    """

    data: Path
    store: str | None = None
    database: str | None = None
    scenes: Sequence[Path] = ()


@dataclass(frozen=True)
class Installation:
    """One that runs.

    Attributes:
        settings: its.
        database: its, with all tables.
        loops: what works in the background of this process.
    """

    settings: Settings
    database: Database
    loops: Loops


@contextmanager
def installed(place: InstallationPaths, environment: Mapping[str, str]) -> Iterator[Installation]:
    """An installation without its page: it works off what is asked of it, until the end.

    Raises:
        RequestError: another one works in the folder, a cluster works the database off, or something in the place
            cannot work.
        PassingError: the database does not answer.
    """
    with ExitStack() as running:
        running.enter_context(alone(place.data))
        store = place.store or str(_own_folder(place.data / "store"))
        token, own_database = token_of(place.data), place.data / "database"
        url = place.database
        if url is None:
            postgres = PrivatePostgres(own_database)
            running.callback(postgres.stop)
            url = postgres.start()
        settings = Settings.of_laptop(
            environment, url, store, place.scenes, token, (own_database, place.data / TOKEN_FILE)
        )
        database = Database(url)
        running.callback(database.close)
        database.migrate()
        loops = Loops()
        executor = Executor(settings, database, loops)
        executor.queue.join()
        if place.database is None:
            executor.queue.free_all()
        work = Thread(target=executor.run, name="executor")
        work.start()
        running.callback(work.join, GIVE_BACK_SECONDS)
        running.callback(executor.stop)
        yield Installation(settings, database, loops)


def show_page(installation: Installation, at: Sequence[socket.socket], *, in_browser: bool) -> None:
    """Serve the page and the REST API until somebody stops it."""
    port: int = at[0].getsockname()[1]
    address = link(f"http://{LOOPBACK[0]}:{port}", installation.settings.local_token)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"The page is at {address} (Ctrl-C stops it)", flush=True)  # noqa: T201
            if in_browser:
                Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    config = uvicorn.Config(
        create_app(installation.settings, installation.loops),
        log_level="warning",
        timeout_graceful_shutdown=LEAVE_SECONDS,
        **OPTIONS,
    )
    with announced(port, installation.settings.local_token):
        Server(config).run(sockets=list(at))


@contextmanager
def stopping() -> Iterator[None]:
    """Let a kill and the end of the terminal stop what is within as Ctrl-C does, which is no error."""
    logging.basicConfig(level=logging.WARNING, format="mosaic: %(message)s")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    with contextlib.suppress(KeyboardInterrupt):
        yield


class InUseError(RequestError):
    """Another process works with a folder."""


def _own_folder(path: Path) -> Path:
    """A folder that nobody else gets into, also where the one around it was there before.

    Raises:
        RequestError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise RequestError(f"the folder {path} cannot be used: {error.strerror}") from None
    return path.absolute()


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Be the only one who works with a folder: a lock says so, which ends with this process however it ends.

    Raises:
        InUseError: another one does.
        RequestError: the folder cannot be used.
    """
    try:
        data.mkdir(mode=_MODE, parents=True, exist_ok=True)
        lock = (data / "lock").open("a+")
    except OSError as error:
        raise RequestError(f"the folder {data} cannot be used ({error.strerror}): choose another with --data") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise InUseError(
                f"another `mosaic serve` (process {lock.read().strip()}) works with {data}: stop it, or choose another "
                "folder with --data"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
