"""What an installation is told by its environment; passed in, and read nowhere else."""

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

from mosaic_api.database.models import ROLES
from mosaic_api.gate import gate_of
from mosaic_api.settings.environment import OF_FILE, expect, listed, number, secret, size, truth

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
ENV_OIDC_ISSUER = "MOSAIC_OIDC_ISSUER"
ENV_OIDC_CLIENT_ID = "MOSAIC_OIDC_CLIENT_ID"
ENV_OIDC_CLIENT_SECRET = "MOSAIC_OIDC_CLIENT_SECRET"  # noqa: S105
ENV_OIDC_SCOPES = "MOSAIC_OIDC_SCOPES"
ENV_OIDC_NAME_CLAIM = "MOSAIC_OIDC_NAME_CLAIM"
ENV_OIDC_ROLE_CLAIM = "MOSAIC_OIDC_ROLE_CLAIM"
ENV_OIDC_ROLES = "MOSAIC_OIDC_ROLES"
ENV_OIDC_DEFAULT_ROLE = "MOSAIC_OIDC_DEFAULT_ROLE"
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
"""What a process that works on untrusted files has no need of."""
SHORTEST_SESSION_SECRET = 32
NOBODY = "none"
"""The default role that lets nobody in but those whose groups have a role."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def origin_of(address: str) -> str:
    """The scheme and the host of an address, as browsers send them."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True)
class Oidc:
    """The OpenID provider by which people log in.

    Attributes:
        issuer: its address, under which `/.well-known/openid-configuration` tells the rest.
        client_id, client_secret: what it knows this installation by; no secret for a public client.
        scopes: what it is asked for, separated by blanks.
        name_claim: of a person, the name to show.
        role_claim: of a person, the groups (a list or one).
        roles: of the groups; the highest counts. Where there are any, each login sets the role anew.
        default_role: of who is in none of those groups; NOBODY lets them not in.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    default_role: str = "viewer"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """The provider that the environment names; None if it names none.

        Raises:
            RequestError: something is missing, or is not what it must be.
        """
        issuer = environment.get(ENV_OIDC_ISSUER, "").rstrip("/")
        if not issuer:
            return None
        address = urlsplit(issuer)
        if address.scheme != "https" and address.hostname not in _LOOPBACK:
            raise RequestError(f"the environment variable {ENV_OIDC_ISSUER} is {issuer!r}; it must begin with https://")
        if not environment.get(ENV_OIDC_CLIENT_ID):
            raise RequestError(f"the environment variable {ENV_OIDC_CLIENT_ID} is not set, but {ENV_OIDC_ISSUER} is")
        default = environment.get(ENV_OIDC_DEFAULT_ROLE) or cls.default_role
        _expect_role(ENV_OIDC_DEFAULT_ROLE, default, (*ROLES, NOBODY))
        return cls(
            issuer=issuer,
            client_id=environment[ENV_OIDC_CLIENT_ID],
            client_secret=secret(environment, ENV_OIDC_CLIENT_SECRET),
            scopes=environment.get(ENV_OIDC_SCOPES) or cls.scopes,
            name_claim=environment.get(ENV_OIDC_NAME_CLAIM) or cls.name_claim,
            role_claim=environment.get(ENV_OIDC_ROLE_CLAIM) or cls.role_claim,
            roles=_roles(environment.get(ENV_OIDC_ROLES, "")),
            default_role=default,
        )


@dataclass(frozen=True)
class Settings:
    """An installation.

    Attributes:
        database: SQLAlchemy's URL of the PostgreSQL database.
        store: URI or folder of the store that results and uploads are kept in.
        namespace: of the requests that come in here.
        cluster: whether the requests of that namespace in a Kubernetes cluster and the rows here are kept in step.
        allowed: what requests may name of that cluster; None without one, where these fields do nothing.
        single_user: whether there is one user and no login, as on a laptop; then it answers by a loopback name only.
        local_token: by which that user is known; without one, anybody who reaches this is that user.
        public_url: under which browsers reach it; none on a laptop.
        allowed_hosts: from which requests may read scenes, comma-separated, as workers take them; any if None.
        scenes: folders in which requests may read files too, where they may read from any host.
        private: files and folders of the installation that no request may read, also below these.
        max_pixels: of one mosaic.
        max_upload_bytes: of one upload.
        max_open_requests: that one user may have at once.
        max_calls: that one user may make a minute of each replica, as many at once; without login they are not counted.
        max_failures: of tokens and logins from one address a minute, of all replicas together.
        max_stored_bytes: that the datasets of one user may fill; a laptop's one user may fill the disk.
        max_display_bytes: of the pixels of what is shown of an image, before they are compressed.
        max_scratch_bytes: of the temporary disk that uploads under way may fill; None where only the disk bounds it.
        restore_days: for which a deleted dataset can be had back.
        tile_server: URL template of a basemap, with {z}, {x} and {y}; only land outlines if empty.
        tile_attribution: whom to thank for it.
        central_url: of the central installation to share with; empty if there is none.
        central_token: for it.
        session_secret: signs the cookies of those who log in; without it only programs are let in, by their tokens.
        oidc: the OpenID provider by which people log in; they need a token if there is none.
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
        """The settings of an installation that people log in to.

        Raises:
            RequestError: one that must be there is missing, or one is no number.
        """
        database = database_of(environment)
        for name in (ENV_STORE, ENV_PUBLIC_URL):
            expect(environment.get(name), name)
        session_secret, oidc = secret(environment, ENV_SESSION_SECRET), Oidc.from_environment(environment)
        if len(session_secret) < SHORTEST_SESSION_SECRET and (session_secret or oidc):
            raise RequestError(
                f"the environment variable {ENV_SESSION_SECRET} must hold at least {SHORTEST_SESSION_SECRET} "
                "characters that nobody can guess, as `openssl rand -hex 32` prints them"
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
        """The settings of an installation that has one user, who reads from any host, and files in some folders.

        Args:
            environment: with what may be chosen.
            database: its URL.
            store: URI or folder of the store.
            scenes: folders in which requests may read files.
            local_token: by which the user is known.
            private: what no request may read.

        Raises:
            RequestError: a number in the environment is none.
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
    """What every installation may choose."""
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
    """SQLAlchemy's URL of the installation's database, with its password where that is told apart.

    Raises:
        RequestError: there is none, or it is no URL.
    """
    database = secret(environment, ENV_DATABASE)
    expect(database, ENV_DATABASE)
    password = secret(environment, ENV_DATABASE_PASSWORD)
    try:
        url = make_url(database)
    except ArgumentError:  # which would show the password
        raise RequestError(
            f"the environment variable {ENV_DATABASE} is not like postgresql+psycopg2://user@host/database"
        ) from None
    return url.set(password=password).render_as_string(hide_password=False) if password else database


def database_if_named(environment: Mapping[str, str]) -> str | None:
    """As `database_of`; None where the environment names no database."""
    return database_of(environment) if secret(environment, ENV_DATABASE) else None


def _allowed(environment: Mapping[str, str]) -> Allowed:
    classes, queues = (listed(environment, name) for name in (ENV_PRIORITY_CLASSES, ENV_QUEUES))
    return Allowed(classes, queues)


def _origin(address: str) -> str:
    """The address of a whole host; pages are at its top."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
        raise RequestError(
            f"the environment variable {ENV_PUBLIC_URL} is {address!r}; it must be like https://mosaics.example.org"
        )
    return origin_of(address)


def _roles(text: str) -> dict[str, str]:
    """Of `group=role, another=role`; a group may hold anything but a comma."""
    roles = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        group, separator, role = pair.rpartition("=")
        _expect_role(ENV_OIDC_ROLES, role if separator else "", ROLES)
        roles[group.strip()] = role.strip()
    return roles


def _expect_role(variable: str, role: str, roles: tuple[str, ...]) -> None:
    if role.strip() not in roles:
        raise RequestError(
            f"the environment variable {variable} has the role {role!r}; one of {', '.join(roles)} is allowed"
        )
