"""A PostgreSQL that pods reach, with a password: this machine's private one, and a relay from a port to its socket."""

import secrets
import shutil
import socket
import socketserver
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from mosaic_api.database import Database
from mosaic_api.private_postgres import PrivatePostgres
from sqlalchemy import create_engine, text

NAME = "mosaics"
"""Of the database, and of the role that owns it."""


@dataclass(frozen=True)
class Postgres:
    """A server, and an empty database in it.

    Attributes:
        server: what pods reach.
        host, port: where.
        password: of the database's owner.
    """

    server: PrivatePostgres
    host: str
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def url(self) -> str:
        """Of the database, without the password."""
        return f"postgresql+psycopg2://{NAME}@{self.host}:{self.port}/{NAME}"

    def open(self) -> Database:
        """The database, as its owner."""
        return Database(self.url.replace("@", f":{self.password}@"))

    def restart(self) -> None:
        """Stop it, and start it again."""
        self.server.stop()
        self.server.start()

    def make(self) -> None:
        """Make the database, whose owner needs the password from now on."""
        engine = create_engine(self.server.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE ROLE {NAME} LOGIN PASSWORD '{self.password}'"))
            connection.execute(text(f"CREATE DATABASE {NAME} OWNER {NAME}"))
        engine.dispose()
        rules = self.server.place / "data/pg_hba.conf"
        rules.write_text(f"local all {NAME} scram-sha-256\n{rules.read_text()}")
        self.restart()


class _Relay(socketserver.ThreadingTCPServer):
    """Leads each connection on to a socket of this machine."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, path: str) -> None:
        self.path = path
        super().__init__((host, 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Relay

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as inner, suppress(OSError):
            inner.connect(self.server.path)
            back = Thread(target=_pour, args=(inner, self.request))
            back.start()
            _pour(self.request, inner)
            back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def reachable_postgres(host: str) -> Iterator[Postgres]:
    """A server at an address of this machine, with an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="mosaic-pg-"))  # its server is nobody, whom pytest's own folders keep out
    server = PrivatePostgres(folder)
    server.start()
    relay = _Relay(host, str(server.place / "run/.s.PGSQL.5432"))
    thread = Thread(target=relay.serve_forever)
    thread.start()
    try:
        made = Postgres(server, host, relay.server_address[1])
        made.make()
        yield made
    finally:
        relay.shutdown()
        thread.join()
        relay.server_close()
        server.stop()
        shutil.rmtree(server.place)
        shutil.rmtree(folder, ignore_errors=True)
