"""Signatures in URLs: removed before a URL is stored or shown, and added again when it is called.

Plans, Items and messages contain URLs without signatures. Each process adds signatures again: those of `source.files`
are in the request or in its STAC Items, and other sources get new ones from their service.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from threading import RLock
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from mosaic_crds.times import moment

from mosaic_worker.sources.access.s3_names import is_object

RENEW_SECONDS = 300
"""A signature is renewed this long before it expires: longer than any single request takes."""

_ALWAYS = re.compile(
    r"x-(amz|goog)-.*|awsaccesskeyid|googleaccessid|key-pair-id|sig|signature|policy"
    r"|(access_|auth_|sas_)?token|api[_-]?key|subscription-key",
    re.IGNORECASE,
)
"""Parameters that are always signatures or keys: of Amazon (S3, CloudFront), Google, Azure and others."""
_BESIDE_A_SIGNATURE = re.compile(
    r"expires|se|st|sp|sv|sr|ss|si|sip|spr|srt|sdd|ses|skoid|sktid|skt|ske|sks|skv|saoid|suoid|scid|rsc[cdelt]",
    re.IGNORECASE,
)
"""Parameters that belong to a signature only beside `sig` (Azure) or `signature`; alone they may select a file."""


def unsigned(url: str) -> str:
    """A URL without signature and fragment. The rest of the query stays, because it may select a file."""
    if is_object(url):
        return url  # keys are literal
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
    """When a signed URL expires, seconds since 1970; None if unknown."""
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
    """Whether a signed URL is about to expire."""
    ends = expiry(url)
    return ends is not None and ends - clock() < RENEW_SECONDS


def _name(part: str) -> str:
    return unquote(part.split("=", 1)[0]).lower()


class Signer:
    """Signs the URLs of the files of a source. It is thread-safe.

    Attributes:
        ask: returns newly signed URLs for an href, possibly with others; they are kept until they expire.
        always: whether the server needs a signature, so that one is requested before the first call.
        connections: the maximum connections of a process to one host; None for the default.
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
        """Remove and remember the signature of a URL; return the unsigned URL."""
        href = unsigned(url)
        if href != url:
            with self._lock:
                self._urls[href] = url
                self._ends[href] = expiry(url)
        return href

    def sign(self, href: str) -> str:
        """The signed URL of an unsigned one, if it has a signature."""
        with self._lock:
            ends = self._ends.get(href)
            if (ends is not None and ends - self._clock() < RENEW_SECONDS) or (self.always and href not in self._ends):
                self.renew(href)
            return self._urls.get(href, href)

    def renew(self, href: str) -> bool:
        """Request a new signature; return whether there is one."""
        with self._lock:
            before = self._urls.get(href)
            for url in self.ask(href):
                self.take(url)
            if self._urls.get(href) == before:
                self._ends[href] = None  # the old one is used until the server refuses it
            return self._urls.get(href) != before


class JoinedSigner(Signer):
    """Signs the URLs of several sources, each with the signer of its source."""

    def __init__(self, signers: Sequence[tuple[Signer, Iterable[str]]]) -> None:
        """`signers` has each signer with the unsigned URLs of its files; the first signer gets all other URLs."""
        super().__init__(connections=min((each.connections for each, _ in signers if each.connections), default=None))
        self._first = signers[0][0]
        self._signers = {href: signer for signer, hrefs in reversed(signers) for href in hrefs}

    def take(self, url: str) -> str:
        """See `Signer`."""
        return self._of(unsigned(url)).take(url)

    def sign(self, href: str) -> str:
        """See `Signer`."""
        return self._of(href).sign(href)

    def renew(self, href: str) -> bool:
        """See `Signer`."""
        return self._of(href).renew(href)

    def _of(self, href: str) -> Signer:
        return self._signers.get(href, self._first)
