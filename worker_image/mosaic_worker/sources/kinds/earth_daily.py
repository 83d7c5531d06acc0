"""Mosaics of EarthDaily: a STAC API that requires a token and returns URLs that are signed for some hours.

The protocol is that of the client of EarthDaily: OAuth 2.0 client credentials (RFC 6749, 4.4), a Bearer token, the
header X-Signed-Asset-Urls, and in each asset's alternate.download.href the URL to read.
"""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import parse_json
from mosaic_crds.source import EarthDaily
from mosaic_crds.source_kinds import EARTH_DAILY
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.kinds.searched import SearchedSource
from mosaic_worker.sources.scenes import Scene
from mosaic_worker.sources.search.catalogue import Catalogue, item_signer

API_URL = "https://api.earthdaily.com/platform/v1/stac"
AUTH_URL = "https://api.earthdaily.com/account_management/v1/authentication/api_tokens/exchange"
FILE_CONNECTIONS, CATALOGUE_CONNECTIONS = 2, 1
"""Maximum connections of a process; `EARTH_DAILY` in mosaic_crds limits the number of processes."""
METRES = 10.0
"""The resolution of its mosaics."""
EARLY_SECONDS = 60
"""A token is no longer used this long before it expires."""


@dataclass(frozen=True)
class Account:
    """An account of EarthDaily.

    Attributes:
        client_id, secret: its credentials.
        auth_url: where they are exchanged for a token.
        api_url: the STAC API.
    """

    client_id: str
    secret: str = field(repr=False)
    auth_url: str = AUTH_URL
    api_url: str = API_URL


def account_from(environment: Mapping[str, str], where: str) -> Account:
    """The account in the environment, in the variables of the client of EarthDaily.

    Args:
        environment: the environment.
        where: the field of the request that needs it, for messages.

    Raises:
        RequestError: there is no account.
    """
    missing = [name for name in EARTH_DAILY.credentials if not environment.get(name)]
    if missing:
        raise RequestError(
            f"{where}: set {' and '.join(missing)} of an EarthDaily account in the environment; on Kubernetes set "
            "earthDaily.secretName of the chart"
        )
    return Account(
        environment["EDS_CLIENT_ID"],
        environment["EDS_SECRET"],
        environment.get("EDS_AUTH_URL") or AUTH_URL,
        environment.get("EDS_API_URL") or API_URL,
    )


@dataclass(frozen=True)
class EarthDailySource(SearchedSource):
    """`spec.source.earthDaily`."""

    asked: EarthDaily

    def signer(self, scenes: Sequence[Scene] = ()) -> Signer:
        """See `SceneSource`; without a signature EarthDaily returns no file."""
        return item_signer(self.catalogue, scenes, always=bool(scenes), connections=FILE_CONNECTIONS)

    def catalogue(self, signer: Signer) -> Catalogue:
        """See `SearchedSource`."""
        account = account_from(os.environ, self.where)
        client = Client(self.gate, signer, connections=CATALOGUE_CONNECTIONS)
        return Catalogue(account.api_url, self.where, client, _Token(account, client, self.where).headers)

    def advice(self, catalogue: Catalogue, area: BaseGeometry) -> str:  # noqa: ARG002 (the interface's)
        """See `SearchedSource`."""
        return "; widen the dates, or order a mosaic of the area in EarthDaily's console"

    def resolution(self, bands: Sequence[str]) -> float:  # noqa: ARG002 (the interface's)
        """See `SceneSource`; all bands have the same."""
        return METRES


class _Token:
    """The token of an account, renewed before it expires. It is thread-safe."""

    def __init__(self, account: Account, client: Client, where: str) -> None:
        self._account, self._client, self._where = account, client, where
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """The headers of each request to the API; with a new token if the last one was rejected.

        Raises:
            RequestError: the credentials are wrong, or the account has no access.
            PassingError: EarthDaily did not respond.
        """
        with self._lock:
            if fresh or time.monotonic() > self._ends - EARLY_SECONDS:
                self._exchange()
            return {"Authorization": f"Bearer {self._token}", "X-Signed-Asset-Urls": "True"}

    def _exchange(self) -> None:
        account = self._account
        response = self._client.session.request(
            "POST",
            account.auth_url,
            auth=(account.client_id, account.secret),
            data={"grant_type": "client_credentials"},
            allow_redirects=False,
        )
        if response.status_code in {400, 401}:
            raise RequestError(
                f"{self._where}: EarthDaily refuses the credentials ({response.status_code}); check EDS_CLIENT_ID and "
                "EDS_SECRET in the environment, or in the Secret on Kubernetes"
            )
        if response.status_code == 403:
            raise RequestError(
                f"{self._where}: EarthDaily denies access to this account (403); ask EarthDaily for access"
            )
        if not response.ok or response.is_redirect:
            raise PassingError(f"{self._where}: EarthDaily returned no token ({response.status_code})")
        try:
            given = parse_json(response.content, account.auth_url)
            self._token = str(given["access_token"])
            self._ends = time.monotonic() + float(given.get("expires_in", 3600))
        except (RequestError, ValueError, KeyError, TypeError, AttributeError):
            raise PassingError(f"{self._where}: EarthDaily returned no token") from None
