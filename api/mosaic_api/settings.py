"""What an installation is told by its environment; passed in, and read nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mosaic_crds.errors import RequestError
from mosaic_worker.sources.gate import Gate, own_folders, pod

ENV_DATABASE = "MOSAIC_DATABASE_URL"
ENV_STORE = "MOSAIC_STORE"
ENV_NAMESPACE = "MOSAIC_NAMESPACE"
ENV_ALLOWED_HOSTS = "MOSAIC_ALLOWED_HOSTS"
ENV_PUBLIC_URL = "MOSAIC_PUBLIC_URL"
ENV_TILE_SERVER = "MOSAIC_TILE_SERVER"
ENV_TILE_ATTRIBUTION = "MOSAIC_TILE_ATTRIBUTION"
ENV_CENTRAL_URL = "MOSAIC_CENTRAL_URL"
ENV_CENTRAL_TOKEN = "MOSAIC_CENTRAL_TOKEN"  # noqa: S105 (the name of a variable)
ENV_SESSION_SECRET = "MOSAIC_SESSION_SECRET"  # noqa: S105
ENV_MAX_PIXELS = "MOSAIC_MAX_PIXELS"
ENV_MAX_UPLOAD_BYTES = "MOSAIC_MAX_UPLOAD_BYTES"
ENV_MAX_OPEN_REQUESTS = "MOSAIC_MAX_OPEN_REQUESTS"


@dataclass(frozen=True)
class Settings:
    """An installation.

    Attributes:
        database: SQLAlchemy's URL of the PostgreSQL database.
        store: URI or folder of the store that results and uploads are kept in.
        namespace: of the requests that come in here.
        single_user: whether whoever reaches this is its one user, as on a laptop; then only by a loopback name.
        public_url: under which browsers reach it; none on a laptop.
        allowed_hosts: from which requests may read scenes, comma-separated, as workers take them; any if None.
        scenes: folders in which requests may read files too, where they may read from any host.
        max_pixels: of one mosaic.
        max_upload_bytes: of one upload.
        max_open_requests: that one user may have at once.
        tile_server: URL template of a basemap, with {z}, {x} and {y}; only land outlines if empty.
        tile_attribution: whom to thank for it.
        central_url: of the central installation to share with; empty if there is none.
        central_token: for it.
        session_secret: signs the cookies of those who log in.
    """

    database: str = field(repr=False)
    store: str
    namespace: str = "default"
    single_user: bool = False
    public_url: str = ""
    allowed_hosts: str | None = ""
    scenes: tuple[Path, ...] = ()
    max_pixels: int = 2_500_000_000
    max_upload_bytes: int = 2 * 2**30
    max_open_requests: int = 50
    tile_server: str = ""
    tile_attribution: str = ""
    central_url: str = ""
    central_token: str = field(default="", repr=False)
    session_secret: str = field(default="", repr=False)

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
        missing = [name for name in (ENV_DATABASE, ENV_STORE, ENV_PUBLIC_URL) if not environment.get(name)]
        if missing:
            raise RequestError(f"the environment variable {missing[0]} is not set; the chart and compose.yaml set it")
        return cls(
            database=environment[ENV_DATABASE],
            store=environment[ENV_STORE],
            public_url=environment[ENV_PUBLIC_URL].rstrip("/"),
            allowed_hosts=environment.get(ENV_ALLOWED_HOSTS, ""),
            session_secret=environment.get(ENV_SESSION_SECRET, ""),
            **_choices(environment),
        )

    @classmethod
    def of_laptop(cls, environment: Mapping[str, str], database: str, store: str, scenes: Sequence[Path]) -> Self:
        """The settings of an installation that has one user, who reads from any host, and files in some folders.

        Raises:
            RequestError: a number in the environment is none.
        """
        choices = _choices(environment)
        return cls(database, store, single_user=True, allowed_hosts=None, scenes=tuple(scenes), **choices)


def gate_of(allowed_hosts: str | None, scenes: Sequence[Path]) -> Gate:
    """What requests may read, from the settings of those names."""
    return own_folders(scenes) if allowed_hosts is None else pod(allowed_hosts)


def _choices(environment: Mapping[str, str]) -> dict[str, Any]:
    """What every installation may choose."""
    return {
        "namespace": environment.get(ENV_NAMESPACE, Settings.namespace),
        "max_pixels": _number(environment, ENV_MAX_PIXELS, Settings.max_pixels),
        "max_upload_bytes": _number(environment, ENV_MAX_UPLOAD_BYTES, Settings.max_upload_bytes),
        "max_open_requests": _number(environment, ENV_MAX_OPEN_REQUESTS, Settings.max_open_requests),
        "tile_server": environment.get(ENV_TILE_SERVER, ""),
        "tile_attribution": environment.get(ENV_TILE_ATTRIBUTION, ""),
        "central_url": environment.get(ENV_CENTRAL_URL, "").rstrip("/"),
        "central_token": environment.get(ENV_CENTRAL_TOKEN, ""),
    }


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if text and not text.isdecimal():
        raise RequestError(f"the environment variable {name} is {text!r}; a whole number is allowed")
    return int(text) if text else default
