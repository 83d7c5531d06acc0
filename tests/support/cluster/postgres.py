"""A PostgreSQL that pods reach with a password: a private server, and a relay from a port to its socket."""

import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Database
from mosaic_api.postgres.server import PrivatePostgres
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from support.cluster.relay import relayed

NAME = "mosaics"
"""Of the database, and of the role that owns it."""


@dataclass(frozen=True)
class Postgres:
    """A server, and an empty database in it.

    Attributes:
        server: The server.
        host: Host for pods.
        port: Port for pods.
        password: Password of the owner of the database.
    """

    server: PrivatePostgres
    host: str
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def url(self) -> str:
        """The URL of the database, without the password."""
        return f"postgresql+psycopg2://{NAME}@{self.host}:{self.port}/{NAME}"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session of the database's owner."""
        with closing(Database(self.url.replace("@", f":{self.password}@"))) as database:
            with database.transaction() as session:
                yield session

    def token(self, user: str, role: str = "editor") -> str:
        """A new token of a user, who is created if missing."""
        with self.transaction() as session:
            _, secret = create_token(session, named_user(session, user, role), "test", ("admin",), None)
        return secret

    def restart(self) -> None:
        """Stop and start the server."""
        self.server.stop()
        self.server.start()

    def make(self) -> None:
        """Create the database; from now on its owner needs the password."""
        engine = create_engine(self.server.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE ROLE {NAME} LOGIN PASSWORD '{self.password}'"))
            connection.execute(text(f"CREATE DATABASE {NAME} OWNER {NAME}"))
        engine.dispose()
        rules = self.server.place / "data/pg_hba.conf"
        rules.write_text(f"local all {NAME} scram-sha-256\n{rules.read_text()}")
        self.restart()


@contextmanager
def reachable_postgres(host: str) -> Iterator[Postgres]:
    """A server at an address of this machine, with an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="mosaic-pg-"))  # readable by the user nobody, who runs the server
    server = PrivatePostgres(folder)
    server.start()
    listener = socket.create_server((host, 0), backlog=64)
    try:
        with relayed(listener, lambda: _connected(server.place / "run/.s.PGSQL.5432")):
            made = Postgres(server, host, listener.getsockname()[1])
            made.make()
            yield made
    finally:
        server.stop()
        shutil.rmtree(server.place)
        shutil.rmtree(folder, ignore_errors=True)


def _connected(path: Path) -> socket.socket:
    inner = socket.socket(socket.AF_UNIX)
    try:
        inner.connect(str(path))
    except OSError:
        inner.close()
        raise
    return inner
