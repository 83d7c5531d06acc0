"""The settings of an installation, from environment variables. They are passed in, and read nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from mosaic_crds.allowed import Allowed
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import Gate
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from mosaic_api.gate import gate_of
from mosaic_api.settings.environment import OF_FILE, expect, listed, number, secret, size, truth
from mosaic_api.settings.oidc import ENV_OIDC_CLIENT_SECRET, Oidc

ENV_DATABASE = "MOSAIC_DATABASE_URL"
ENV_DATABASE_PASSWORD = "MOSAIC_DATABASE_PASSWORD"  # noqa: S105 (the name of a variable)
ENV_STORE = "MOSAIC_STORE"
ENV_NAMESPACE = "MOSAIC_NAMESPACE"
ENV_CLUSTER = "MOSAIC_CLUSTER"
ENV_ALLOWED_HOSTS = "MOSAIC_ALLOWED_HOSTS"
ENV_PUBLIC_URL = "MOSAIC_PUBLIC_URL"
ENV_TILE_SERVER = "MOSAIC_TILE_SERVER"
ENV_TILE_ATTRIBUTION = "MOSAIC_TILE_ATTRIBUTION"
ENV_CENTRAL_URL = "MOSAIC_CENTRAL_URL"
ENV_CENTRAL_TOKEN = "MOSAIC_CENTRAL_TOKEN"  # noqa: S105
ENV_SESSION_SECRET = "MOSAIC_SESSION_SECRET"  # noqa: S105
ENV_PRIORITY_CLASSES = "MOSAIC_PRIORITY_CLASSES"
ENV_QUEUES = "MOSAIC_QUEUES"
ENV_MAX_PIXELS = "MOSAIC_MAX_PIXELS"
ENV_MAX_UPLOAD_BYTES = "MOSAIC_MAX_UPLOAD_BYTES"
ENV_MAX_OPEN_REQUESTS = "MOSAIC_MAX_OPEN_REQUESTS"
ENV_MAX_STORED_BYTES = "MOSAIC_MAX_STORED_BYTES"
ENV_MAX_DISPLAY_BYTES = "MOSAIC_MAX_DISPLAY_BYTES"
ENV_MAX_SCRATCH_BYTES = "MOSAIC_MAX_SCRATCH_BYTES"
ENV_RESTORE_DAYS = "MOSAIC_RESTORE_DAYS"
ENV_MAX_CALLS = "MOSAIC_MAX_CALLS_PER_MINUTE"
ENV_MAX_FAILURES = "MOSAIC_MAX_FAILED_LOGINS_PER_MINUTE"
SECRETS = frozenset(
    name + ending
    for name in (
        ENV_DATABASE,
        ENV_DATABASE_PASSWORD,
        ENV_CENTRAL_TOKEN,
        ENV_SESSION_SECRET,
        ENV_OIDC_CLIENT_SECRET,
    )
    for ending in ("", OF_FILE)
)
"""Variables that a process with untrusted files does not need."""
SHORTEST_SESSION_SECRET = 32


def origin_of(address: str) -> str:
    """Scheme and host of a URL, as browsers send them."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True)
class Settings:
    """The settings of an installation.

    Attributes:
        database: SQLAlchemy's URL of the PostgreSQL database.
        store: URI or folder of the store for results and uploads.
        namespace: of requests that are created here.
        cluster: whether to synchronize the rows with the MosaicRequests of that namespace in a Kubernetes cluster.
        allowed: what requests may name in that cluster; None without one, where these fields have no effect.
        single_user: one user without login, as on a laptop; the server then only answers to loopback names.
        local_token: of that user; empty if no token is required.
        public_url: the URL for browsers; empty on a laptop.
        allowed_hosts: from which requests may read scenes, comma-separated; None for all.
        scenes: folders whose files requests may also read, if all hosts are allowed.
        private: files and folders that no request may read, even below `scenes`.
        max_pixels: of one mosaic.
        max_upload_bytes: of one upload.
        max_open_requests: unfinished requests of one user.
        max_calls: of one user per minute and replica, also in a burst; not counted without login.
        max_failures: invalid tokens and logins per minute from one address, for all replicas.
        max_stored_bytes: of the datasets of one user; a single user may fill the disk.
        max_display_bytes: of an image's display copy before compression.
        max_scratch_bytes: of uploads in progress on the temporary disk; None for the whole disk.
        restore_days: how long a deleted dataset can be restored.
        tile_server: URL template of a basemap with {z}, {x} and {y}; empty for land outlines only.
        tile_attribution: of the basemap.
        central_url: of the central installation; empty if there is none.
        central_token: for it.
        session_secret: signs session cookies; empty to only allow programs with tokens.
        oidc: the OpenID provider for logins; None if users need a token.
    """

    database: str = field(repr=False)
    store: str
    namespace: str = "default"
    cluster: bool = False
    allowed: Allowed | None = None
    single_user: bool = False
    local_token: str = field(default="", repr=False)
    public_url: str = ""
    allowed_hosts: str | None = ""
    scenes: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()
    max_pixels: int = 2_500_000_000
    max_upload_bytes: int = 2 * 2**30
    max_open_requests: int = 50
    max_calls: int = 3000
    max_failures: int = 20
    max_stored_bytes: int = 50 * 2**30
    max_display_bytes: int = 16 * 2**30
    max_scratch_bytes: int | None = None
    restore_days: int = 7
    tile_server: str = ""
    tile_attribution: str = ""
    central_url: str = ""
    central_token: str = field(default="", repr=False)
    session_secret: str = field(default="", repr=False)
    oidc: Oidc | None = None

    @property
    def gate(self) -> Gate:
        """What requests may read."""
        return gate_of(self.allowed_hosts, self.scenes)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings of an installation with login.

        Raises:
            RequestError: a variable is missing or invalid.
        """
        database = database_of(environment)
        for name in (ENV_STORE, ENV_PUBLIC_URL):
            expect(environment.get(name), name)
        session_secret, oidc = secret(environment, ENV_SESSION_SECRET), Oidc.from_environment(environment)
        if len(session_secret) < SHORTEST_SESSION_SECRET and (session_secret or oidc):
            raise RequestError(
                f"the environment variable {ENV_SESSION_SECRET} must have at least {SHORTEST_SESSION_SECRET} random "
                "characters, such as the output of `openssl rand -hex 32`"
            )
        return cls(
            database=database,
            store=environment[ENV_STORE],
            cluster=truth(environment, ENV_CLUSTER),
            allowed=_allowed(environment) if truth(environment, ENV_CLUSTER) else None,
            public_url=_origin(environment[ENV_PUBLIC_URL]),
            allowed_hosts=environment.get(ENV_ALLOWED_HOSTS, ""),
            max_calls=number(environment, ENV_MAX_CALLS, cls.max_calls),
            max_failures=number(environment, ENV_MAX_FAILURES, cls.max_failures),
            session_secret=session_secret,
            oidc=oidc,
            **_choices(environment),
        )

    @classmethod
    def of_laptop(
        cls,
        environment: Mapping[str, str],
        database: str,
        store: str,
        scenes: Sequence[Path],
        local_token: str,
        private: Sequence[Path] = (),
    ) -> Self:
        """The settings of an installation with a single user, who reads from all hosts, and files in some folders.

        The environment has the optional settings.

        Raises:
            RequestError: a variable is invalid.
        """
        choices = _choices(environment)
        return cls(
            database,
            store,
            single_user=True,
            local_token=local_token,
            allowed_hosts=None,
            scenes=tuple(scenes),
            private=tuple(private),
            **choices,
        )


def _choices(environment: Mapping[str, str]) -> dict[str, Any]:
    """The optional settings of every installation."""
    return {
        "namespace": environment.get(ENV_NAMESPACE, Settings.namespace),
        "max_pixels": number(environment, ENV_MAX_PIXELS, Settings.max_pixels),
        "max_upload_bytes": number(environment, ENV_MAX_UPLOAD_BYTES, Settings.max_upload_bytes),
        "max_open_requests": number(environment, ENV_MAX_OPEN_REQUESTS, Settings.max_open_requests),
        "max_stored_bytes": number(environment, ENV_MAX_STORED_BYTES, Settings.max_stored_bytes),
        "max_display_bytes": number(environment, ENV_MAX_DISPLAY_BYTES, Settings.max_display_bytes),
        "max_scratch_bytes": size(environment, ENV_MAX_SCRATCH_BYTES),
        "restore_days": number(environment, ENV_RESTORE_DAYS, Settings.restore_days),
        "tile_server": environment.get(ENV_TILE_SERVER, ""),
        "tile_attribution": environment.get(ENV_TILE_ATTRIBUTION, ""),
        "central_url": environment.get(ENV_CENTRAL_URL, "").rstrip("/"),
        "central_token": secret(environment, ENV_CENTRAL_TOKEN),
    }


def database_of(environment: Mapping[str, str]) -> str:
    """SQLAlchemy's URL of the database, with the password if that has a variable of its own.

    Raises:
        RequestError: it is missing or invalid.
    """
    database = secret(environment, ENV_DATABASE)
    expect(database, ENV_DATABASE)
    password = secret(environment, ENV_DATABASE_PASSWORD)
    try:
        url = make_url(database)
    except ArgumentError:  # its text would show the password
        raise RequestError(
            f"the environment variable {ENV_DATABASE} is not like postgresql+psycopg2://user@host/database"
        ) from None
    return url.set(password=password).render_as_string(hide_password=False) if password else database


def database_if_named(environment: Mapping[str, str]) -> str | None:
    """Like `database_of`; None if the environment names no database."""
    return database_of(environment) if secret(environment, ENV_DATABASE) else None


def _allowed(environment: Mapping[str, str]) -> Allowed:
    classes, queues = (listed(environment, name) for name in (ENV_PRIORITY_CLASSES, ENV_QUEUES))
    return Allowed(classes, queues)


def _origin(address: str) -> str:
    """The origin of a URL without a path, because pages are at the top of their host."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
        raise RequestError(
            f"the environment variable {ENV_PUBLIC_URL} is {address!r}; it must be like https://mosaics.example.org"
        )
    return origin_of(address)
