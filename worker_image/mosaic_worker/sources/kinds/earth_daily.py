"""Mosaics of EarthDaily: a STAC API that asks for a token, and gives URLs that are signed for some hours.

The protocol is that of EarthDaily's own client: OAuth 2.0 client credentials (RFC 6749, 4.4), a Bearer token, the
header X-Signed-Asset-Urls, and in each asset's alternate.download.href the URL to read.
"""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import parse_json
from mosaic_crds.source import EarthDaily, OnUnreadable
from mosaic_crds.spec import Composite
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.items.item import StacItem
from mosaic_worker.sources.items.layers import mapped_assets
from mosaic_worker.sources.items.scenes import scenes_of_items
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Found, NoScenesError, Scene
from mosaic_worker.sources.search.catalogue import Catalogue, Search, item_signer

WHERE = "spec.source.earthDaily"
API_URL = "https://api.earthdaily.com/platform/v1/stac"
AUTH_URL = "https://api.earthdaily.com/account_management/v1/authentication/api_tokens/exchange"
FILE_CONNECTIONS, CATALOGUE_CONNECTIONS = 2, 1
"""Of one process at once: EarthDaily allows an account 30, which EARTH_DAILY_PROCESSES share."""
EARLY_SECONDS = 60
"""So long before its end a token is not used any more."""


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


def account_from(environment: Mapping[str, str]) -> Account:
    """The account that an environment names, by the names of EarthDaily's own client.

    Raises:
        RequestError: it names none.
    """
    missing = [name for name in ("EDS_CLIENT_ID", "EDS_SECRET") if not environment.get(name)]
    if missing:
        raise RequestError(
            f"{WHERE}: {' and '.join(missing)} of an EarthDaily account must be in the environment; on Kubernetes set "
            "earthDaily.secretName of the chart"
        )
    return Account(
        environment["EDS_CLIENT_ID"],
        environment["EDS_SECRET"],
        environment.get("EDS_AUTH_URL") or AUTH_URL,
        environment.get("EDS_API_URL") or API_URL,
    )


def earth_daily_scenes(
    source: EarthDaily,
    area: BaseGeometry,
    bands: Sequence[str],
    composite: Composite,
    gate: Gate,
    most: int,
    on_unreadable: OnUnreadable = "fail",
) -> Found:
    """The scenes of `source.earthDaily`.

    Args:
        source: the source.
        area: in degrees, unwrapped.
        bands: the canonical names of the bands that are needed.
        composite: how scenes are composed.
        gate: what may be read.
        most: how many scenes there may be.
        on_unreadable: whether a scene that cannot be used is an error.

    Raises:
        RequestError: there is no account, it may not see the collection, nothing is found, or it cannot be used.
        PassingError: EarthDaily did not answer.
    """
    signer = earth_daily_signer(gate)
    search = _search(source, area, _catalogue(gate, signer), most, on_unreadable)
    items = [replace(item, assets=mapped_assets(source.assets)) for item in search.items]
    with Headers(gate, signer) as headers:
        found = scenes_of_items(items, composite, area, bands, headers, on_unreadable, search.unreadable)
    return replace(found, notes=(*search.notes, *found.notes))


def earth_daily_items(
    source: EarthDaily, area: BaseGeometry, gate: Gate, most: int, on_unreadable: OnUnreadable = "fail"
) -> list[StacItem]:
    """The Items that `source.earthDaily` means, of which no file is opened.

    Raises:
        NoScenesError: there are none.
        RequestError: there is no account, it may not see the collection, or there are too many.
        PassingError: EarthDaily did not answer.
    """
    return _search(source, area, _catalogue(gate, earth_daily_signer(gate)), most, on_unreadable).items


def earth_daily_signer(gate: Gate, scenes: Sequence[Scene] = ()) -> Signer:
    """What signs the URLs of `source.earthDaily`, once a search has found the scenes."""
    return item_signer(
        lambda signer: _catalogue(gate, signer), scenes, always=bool(scenes), connections=FILE_CONNECTIONS
    )


def _search(
    source: EarthDaily, area: BaseGeometry, catalogue: Catalogue, most: int, on_unreadable: OnUnreadable = "fail"
) -> Search:
    found = catalogue.search(source.collection, source.datetime, area, most=most, on_unreadable=on_unreadable)
    if not (found.items or found.unreadable):
        raise NoScenesError(
            f"{WHERE}: no scene of {source.collection} touches the area in {source.datetime}; widen the dates, or "
            "order a mosaic of the area in EarthDaily's console"
        )
    return found


def _catalogue(gate: Gate, signer: Signer) -> Catalogue:
    account = account_from(os.environ)
    client = Client(gate, signer, connections=CATALOGUE_CONNECTIONS)
    return Catalogue(account.api_url, WHERE, client, _Token(account, client).headers)


class _Token:
    """The token of an account, exchanged anew before it ends; safe to use from several threads."""

    def __init__(self, account: Account, client: Client) -> None:
        self._account, self._client = account, client
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0

    def headers(self, fresh: bool) -> Mapping[str, str]:
        """What is sent with each request to the API; with a fresh token, if the last was refused.

        Raises:
            RequestError: the credentials are wrong, or the account may not.
            PassingError: EarthDaily did not answer.
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
                f"{WHERE}: EarthDaily refuses the credentials ({response.status_code}); check EDS_CLIENT_ID and "
                "EDS_SECRET in the environment, or in the Secret on Kubernetes"
            )
        if response.status_code == 403:
            raise RequestError(f"{WHERE}: EarthDaily does not let this account in (403); ask EarthDaily for access")
        if not response.ok or response.is_redirect:
            raise PassingError(f"{WHERE}: EarthDaily gives no token ({response.status_code})")
        try:
            given = parse_json(response.content, account.auth_url)
            self._token = str(given["access_token"])
            self._ends = time.monotonic() + float(given.get("expires_in", 3600))
        except (RequestError, ValueError, KeyError, TypeError, AttributeError):
            raise PassingError(f"{WHERE}: EarthDaily gave an answer without a token") from None
