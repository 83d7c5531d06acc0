"""Signatures in URLs: removed before a URL is stored or shown, and added again when it is called.

A plan, an Item and a message hold hrefs without signatures. Each process puts them on again from what it has at hand:
those of `source.files` stand in the request, or in the STAC Items that it names; a service signs anew.
"""

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import RLock
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from mosaic_crds.times import moment

from mosaic_worker.sources.access.s3_names import is_object

RENEW_SECONDS = 300
"""How long before it expires a signature is renewed: longer than any single request takes."""

_ALWAYS = re.compile(
    r"x-(amz|goog)-.*|awsaccesskeyid|googleaccessid|key-pair-id|sig|signature|policy"
    r"|(access_|auth_|sas_)?token|api[_-]?key|subscription-key",
    re.IGNORECASE,
)
"""Parameters that are nothing but signatures and keys: of Amazon (S3, CloudFront), Google, Azure and others."""
_BESIDE_A_SIGNATURE = re.compile(
    r"expires|se|st|sp|sv|sr|ss|si|sip|spr|srt|sdd|ses|skoid|sktid|skt|ske|sks|skv|saoid|suoid|scid|rsc[cdelt]",
    re.IGNORECASE,
)
"""What goes with `sig` (Azure's shared access signatures) or `signature`; alone, such a name may select a file."""


def unsigned(url: str) -> str:
    """A URL without its signature and its fragment; what else stands in its query may select a file, and stays."""
    if is_object(url):
        return url  # its key is literal: it may have any characters
    parts = urlsplit(url)
    if not parts.query:
        return urlunsplit(parts._replace(fragment=""))
    given = parts.query.split("&")
    signed = any(_name(part) in {"sig", "signature"} for part in given)
    kept = [
        part
        for part in given
        if not _ALWAYS.fullmatch(_name(part)) and not (signed and _BESIDE_A_SIGNATURE.fullmatch(_name(part)))
    ]
    return urlunsplit(parts._replace(query="&".join(kept), fragment=""))


def expiry(url: str) -> float | None:
    """When a signed URL ends, seconds since 1970, if it says so."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    try:
        for maker in ("amz", "goog"):
            if f"x-{maker}-expires" in query:
                made = datetime.strptime(query[f"x-{maker}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                return made.timestamp() + float(query[f"x-{maker}-expires"])
        if "sig" in query and "se" in query:
            return moment(query["se"]).timestamp()
        return float(query["expires"]) if "expires" in query and "signature" in query else None
    except (KeyError, ValueError):
        return None


def ends_soon(url: str, clock: Callable[[], float] = time.time) -> bool:
    """Whether a signed URL is about to end."""
    ends = expiry(url)
    return ends is not None and ends - clock() < RENEW_SECONDS


def _name(part: str) -> str:
    return unquote(part.split("=", 1)[0]).lower()


class Signer:
    """Knows how the files of a request's source may be asked for; safe to use from several threads.

    Attributes:
        ask: gives URLs signed just now, that of the href it is given among them if it can; kept until they end.
        always: whether nothing is given without a signature, so that one is asked for first.
        connections: how many a process may have to one host at once; as many as usual if None.
    """

    def __init__(
        self,
        ask: Callable[[str], Iterable[str]] = lambda _: (),
        clock: Callable[[], float] = time.time,
        *,
        always: bool = False,
        connections: int | None = None,
    ) -> None:
        self.ask = ask
        self.always = always
        self.connections = connections
        self._clock = clock
        self._lock = RLock()
        self._urls: dict[str, str] = {}
        self._ends: dict[str, float | None] = {}

    def take(self, url: str) -> str:
        """Take the signature off a URL and keep it; give the href that is left."""
        href = unsigned(url)
        if href != url:
            with self._lock:
                self._urls[href] = url
                self._ends[href] = expiry(url)
        return href

    def sign(self, href: str) -> str:
        """The URL to ask now for an unsigned href."""
        with self._lock:
            ends = self._ends.get(href)
            if (ends is not None and ends - self._clock() < RENEW_SECONDS) or (self.always and href not in self._ends):
                self.renew(href)
            return self._urls.get(href, href)

    def renew(self, href: str) -> bool:
        """Ask for a signature, where there is none or the server refused it; whether there is another now."""
        with self._lock:
            before = self._urls.get(href)
            for url in self.ask(href):
                self.take(url)
            if self._urls.get(href) == before:
                self._ends[href] = None  # there is no other: what is there is used to its end, and the server says so
            return self._urls.get(href) != before
