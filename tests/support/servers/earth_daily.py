"""A fake EarthDaily, because the real API needs an account. It has the protocol of EarthDaily's own client.

Tokens and signed URLs expire by its clock, which a test can advance; requests without them are refused.
"""

import base64
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.servers.range_server import RangeHandler, serving_by

COLLECTION = "ai-ready-mosaics"
URL_SECONDS = 12 * 3600
TOKEN_SECONDS = 3600


@dataclass
class EarthDaily:
    """The contents of the fake server, and its log.

    Attributes:
        items: Items with hrefs s3://bucket/path, a path below the served folder.
        client_id, secret: Credentials of the only account.
        allowed: Whether the account may search.
        ahead: Seconds by which its clock is ahead of this machine's.
        busy: Number of API requests that get 429 before others are answered.
        counts: Number of requests of each kind.
        most: Maximum number of concurrent requests.
    """

    items: Sequence[dict[str, Any]]
    client_id: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    allowed: bool = True
    ahead: float = 0.0
    busy: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    most: int = 0
    address: str = ""
    lock: Lock = field(default_factory=Lock)
    tokens: dict[str, float] = field(default_factory=dict)
    signatures: dict[str, float] = field(default_factory=dict)
    at_work: int = 0

    @property
    def now(self) -> float:
        return time.time() + self.ahead

    @property
    def environment(self) -> dict[str, str]:
        """Authorization of its client."""
        return {
            "EDS_CLIENT_ID": self.client_id,
            "EDS_SECRET": self.secret,
            "EDS_AUTH_URL": f"http://{self.address}/exchange",
            "EDS_API_URL": f"http://{self.address}/stac",
        }

    def forget_signatures(self) -> None:
        """Let every signed URL expire now, whatever expiry it states."""
        self.signatures.clear()

    def signed(self, item: dict[str, Any]) -> dict[str, Any]:
        """An Item with newly signed URLs."""
        signed = json.loads(json.dumps(item)) | {"collection": COLLECTION, "links": []}
        made = datetime.fromtimestamp(self.now, UTC).strftime("%Y%m%dT%H%M%SZ")
        for asset in signed["assets"].values():
            signature = secrets.token_hex(16)
            self.signatures[signature] = self.now + URL_SECONDS
            path = asset["href"].removeprefix("s3://bucket/")
            query = f"X-Amz-Date={made}&X-Amz-Expires={URL_SECONDS}&X-Amz-Signature={signature}"
            asset["alternate"] = {"download": {"href": f"http://{self.address}/files/{path}?{query}"}}
        return signed


def items_in(folder: Path, **renamed: str) -> list[dict[str, Any]]:
    """The Items as EarthDaily has them: one asset per band, at s3://; some bands under another name."""
    items = []
    for path in sorted(folder.glob("*/item.json")):
        item = json.loads(path.read_text())
        files = {band: item["assets"][band] for band in ("red", "nir")}
        item["assets"] = {renamed.get(band, band): asset for band, asset in files.items()}
        for band, asset in files.items():
            asset["href"] = f"s3://bucket/{path.parent.name}/{asset['href'].removeprefix('./')}"
            asset["eo:bands"] = [{"name": renamed.get(band, band), "common_name": renamed.get(band, band)}]
        items.append(item)
    return items


@contextmanager
def earth_daily(folder: Path, items: Sequence[dict[str, Any]], host: str = "127.0.0.1") -> Iterator[EarthDaily]:
    """Run the fake server with the files of a folder."""
    state = EarthDaily(items)

    class Handler(RangeHandler):
        def do_GET(self) -> None:
            with state.lock:
                state.at_work += 1
                state.most = max(state.most, state.at_work)
            try:
                self.serve()
            finally:
                with state.lock:
                    state.at_work -= 1

        def do_POST(self) -> None:
            self.do_GET()

        def serve(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if url.path == "/exchange":
                self.exchange(body)
            elif url.path.startswith("/files/"):
                state.counts["file"] += 1
                signature = parse_qs(url.query).get("X-Amz-Signature", [""])[0]
                if state.signatures.get(signature, 0) < state.now:
                    state.counts["refused file"] += 1
                    self.answer(403)
                else:
                    self.path = url.path.removeprefix("/files")
                    super().do_GET()
            else:
                self.api(url.path, body)

        def exchange(self, body: bytes) -> None:
            state.counts["exchange"] += 1
            given = base64.b64encode(f"{state.client_id}:{state.secret}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {given}" or body != b"grant_type=client_credentials":
                self.json(401, {"error": "invalid_client"})
                return
            token = secrets.token_hex(16)
            state.tokens[token] = state.now + TOKEN_SECONDS
            self.json(200, {"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"})

        def api(self, path: str, body: bytes) -> None:
            state.counts["api"] += 1
            if state.busy:
                state.busy -= 1
                state.counts["429"] += 1
                self.answer(429, **{"Retry-After": "0"})
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if state.tokens.get(token, 0) < state.now:
                self.json(401, {"message": "the token has ended"})
            elif not state.allowed:
                self.json(403, {"message": "not subscribed"})
            elif path in {"/stac", "/stac/"}:
                link = {"rel": "search", "href": f"http://{state.address}/stac/search", "method": "POST"}
                conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
                self.json(200, {
                    "type": "Catalog", "stac_version": "1.0.0", "id": "platform", "description": "stand-in",
                    "links": [link], "conformsTo": conforms,
                })  # fmt: skip
            elif path == "/stac/search" and self.headers.get("X-Signed-Asset-Urls") == "True":
                requested = json.loads(body)
                found = [state.signed(item) for item in state.items] if requested["collections"] == [COLLECTION] else []
                self.json(200, {"type": "FeatureCollection", "features": found, "links": []})
            else:
                known = {f"/stac/collections/{COLLECTION}/items/{item['id']}": item for item in state.items}
                self.json(200 if path in known else 404, state.signed(known[path]) if path in known else {})

        def json(self, status: int, document: dict[str, Any]) -> None:
            self.answer(status, json.dumps(document).encode(), **{"Content-Type": "application/json"})

        def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
            if self.command == "POST":
                self.command = "GET"  # whose responses have a body here
            super().answer(status, content, **headers)

    with serving_by(lambda *arguments: Handler(*arguments, directory=str(folder)), host) as address:
        state.address = address
        yield state
