"""What an installation is told by its environment; passed in, and read nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from mosaic_crds.errors import RequestError

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
ENV_MAX_STORED_BYTES = "MOSAIC_MAX_STORED_BYTES"
ENV_RESTORE_DAYS = "MOSAIC_RESTORE_DAYS"


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
        max_pixels: of one mosaic.
        max_upload_bytes: of one upload.
        max_open_requests: that one user may have at once.
        max_stored_bytes: that the entries of one user may fill; a laptop's one user may fill the disk.
        restore_days: for which a deleted entry can be had back.
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
    max_pixels: int = 2_500_000_000
    max_upload_bytes: int = 2 * 2**30
    max_open_requests: int = 50
    max_stored_bytes: int = 50 * 2**30
    restore_days: int = 7
    tile_server: str = ""
    tile_attribution: str = ""
    central_url: str = ""
    central_token: str = field(default="", repr=False)
    session_secret: str = field(default="", repr=False)

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
            namespace=environment.get(ENV_NAMESPACE, cls.namespace),
            public_url=environment[ENV_PUBLIC_URL].rstrip("/"),
            allowed_hosts=environment.get(ENV_ALLOWED_HOSTS, ""),
            max_pixels=_number(environment, ENV_MAX_PIXELS, cls.max_pixels),
            max_upload_bytes=_number(environment, ENV_MAX_UPLOAD_BYTES, cls.max_upload_bytes),
            max_open_requests=_number(environment, ENV_MAX_OPEN_REQUESTS, cls.max_open_requests),
            max_stored_bytes=_number(environment, ENV_MAX_STORED_BYTES, cls.max_stored_bytes),
            restore_days=_number(environment, ENV_RESTORE_DAYS, cls.restore_days),
            tile_server=environment.get(ENV_TILE_SERVER, ""),
            tile_attribution=environment.get(ENV_TILE_ATTRIBUTION, ""),
            central_url=environment.get(ENV_CENTRAL_URL, "").rstrip("/"),
            central_token=environment.get(ENV_CENTRAL_TOKEN, ""),
            session_secret=environment.get(ENV_SESSION_SECRET, ""),
        )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if text and not text.isdecimal():
        raise RequestError(f"the environment variable {name} is {text!r}; a whole number is allowed")
    return int(text) if text else default
