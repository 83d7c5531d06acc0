"""`mosaic serve`: database, store, executor and page on one machine, for one user.

Everything is in one folder, and ends together: with Ctrl-C, with the terminal, or with a signal. The next start resumes
unfinished requests.
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
"""Time for open connections at the end."""
GIVE_BACK_SECONDS = 30
_MODE = 0o711 if os.geteuid() == 0 else 0o700
"""Mode of a new data folder; root's database server runs as another user, who must pass through."""


@dataclass(frozen=True)
class InstallationPaths:
    """Where a local installation stores its data.

    Attributes:
        data: the folder of everything that is not elsewhere.
        store: URI of its store; None for a folder in `data`.
        database: URL of its database; None for a private one in `data`.
        scenes: folders whose files requests may read.
    """

    data: Path
    store: str | None = None
    database: str | None = None
    scenes: Sequence[Path] = ()


@dataclass(frozen=True)
class Installation:
    """A running installation; its database has all tables."""

    settings: Settings
    database: Database
    loops: Loops


@contextmanager
def running_installation(paths: InstallationPaths, environment: Mapping[str, str]) -> Iterator[Installation]:
    """An installation without its page, which processes requests until the end of the block.

    Raises:
        RequestError: another one uses the folder, a cluster processes the database's requests, or a path is unusable.
    """
    with ExitStack() as cleanup:
        cleanup.enter_context(alone(paths.data))
        store = paths.store or str(_own_folder(paths.data / "store"))
        token, own_database = token_of(paths.data), paths.data / "database"
        url = paths.database
        if url is None:
            postgres = PrivatePostgres(own_database)
            cleanup.callback(postgres.stop)
            url = postgres.start()
        settings = Settings.of_laptop(
            environment, url, store, paths.scenes, token, (own_database, paths.data / TOKEN_FILE)
        )
        database = Database(url)
        cleanup.callback(database.close)
        database.migrate()
        loops = Loops()
        executor = Executor(settings, database, loops)
        executor.queue.join()
        if paths.database is None:
            executor.queue.free_all()
        work = Thread(target=executor.run, name="executor")
        work.start()
        cleanup.callback(work.join, GIVE_BACK_SECONDS)
        cleanup.callback(executor.stop)
        yield Installation(settings, database, loops)


def show_page(installation: Installation, at: Sequence[socket.socket], *, in_browser: bool) -> None:
    """Serve the page and the REST API until a signal stops them."""
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
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, without an error."""
    logging.basicConfig(level=logging.WARNING, format="mosaic: %(message)s")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    with contextlib.suppress(KeyboardInterrupt):
        yield


class InUseError(RequestError):
    """Another process uses a data folder."""


def _own_folder(path: Path) -> Path:
    """A folder that only this user can enter, even if its parent existed before.

    Raises:
        RequestError: it cannot be created.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise RequestError(f"the folder {path} cannot be used: {error.strerror}") from None
    return path.absolute()


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Lock a data folder for this process. The lock ends with the process, however it ends.

    Raises:
        InUseError: another process uses it.
        RequestError: it cannot be used.
    """
    try:
        data.mkdir(mode=_MODE, parents=True, exist_ok=True)
        lock = (data / "lock").open("a+")
    except OSError as error:
        raise RequestError(f"the folder {data} cannot be used ({error.strerror}); choose another with --data") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise InUseError(
                f"another `mosaic serve` (process {lock.read().strip()}) uses {data}: stop it, or choose another "
                "folder with --data"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
