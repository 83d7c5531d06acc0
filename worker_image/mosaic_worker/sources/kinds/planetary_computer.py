"""Signatures of the Planetary Computer: its files are in Azure, and it issues tokens to everybody."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import parse_json

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer, ends_soon

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
TOKENS = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
"""Followed by a storage account and a container (Planetary Computer, "Data Access API")."""
BLOBS = ".blob.core.windows.net"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
"""The name of a storage account."""


def planetary_computer_signer(gate: Gate, tokens: str = TOKENS) -> Signer:
    """Signs the URLs of the Planetary Computer; `tokens` is the URL of its token service."""
    client = Client(gate)
    given: dict[str, str] = {}

    def ask(href: str) -> Iterator[str]:
        parts = urlsplit(href)
        account, container = (parts.hostname or "").removesuffix(BLOBS), parts.path.split("/")[1]
        if parts.scheme != "https" or not (parts.hostname or "").endswith(BLOBS) or not _ACCOUNT.fullmatch(account):
            return
        place = f"{tokens}/{account}/{container}"
        if place not in given or ends_soon(f"{href}?{given[place]}"):
            given[place] = _token(client.document(place), place)
        yield f"{href}?{given[place]}"

    return Signer(ask, always=True)


def _token(content: bytes, place: str) -> str:
    try:
        return str(parse_json(content, place)["token"])
    except (RequestError, KeyError, TypeError):
        raise PassingError(f"{place} returned no token") from None
