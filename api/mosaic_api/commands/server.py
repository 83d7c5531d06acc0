"""Requests at a server with the REST API."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.files import BY_NAME
from mosaic_crds.json_input import parse_json

from mosaic_api.commands.place import DEFAULT_SERVER, Seen, persistently

PATIENCE = httpx.Timeout(30, read=60)
"""Seconds; an event stream says something every 15."""


class Server:
    """A place that is a server."""

    def __init__(self, url: str, token: str | None) -> None:
        """Nothing is asked yet.

        Raises:
            RequestError: the URL is none.
        """
        self._url = url.rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise RequestError(f"the server {url!r} is no URL of the form https://host")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=f"{self._url}/api/v1", headers=headers, timeout=PATIENCE)

    def submit(self, name: str, spec: dict[str, Any]) -> Seen:
        """Ask for a mosaic."""
        return _seen(self._ask("POST", "/requests", json={"name": name, "spec": spec}))

    def find(self, name: str) -> Seen:
        """The request of a name or an id."""
        try:
            return _seen(self._ask("GET", f"/requests/{uuid.UUID(name)}"))
        except ValueError:
            found = [seen for seen in self._pages(text=name) if seen.name == name]
        if not found:
            raise RequestError(f"{self._url} has no request {name}; `mosaic get` lists those that there are")
        return found[0]

    def listed(self) -> list[Seen]:
        """The last requests, newest first."""
        return [_seen(each) for each in self._ask("GET", "/requests")["requests"]]

    def follow(self, seen: Seen) -> Iterator[Seen]:
        """A request whenever it has changed; RequestError when it is removed."""

        def look() -> Iterator[Seen]:
            for kind, data in self._events(f"/requests/{seen.id}/events"):
                if kind == "removed":
                    raise RequestError(f"{seen.name} was removed")
                yield _seen(data)

        return persistently(look)

    def cancel(self, seen: Seen) -> None:
        """Wish that it stops."""
        self._ask("POST", f"/requests/{seen.id}/cancel")

    @contextmanager
    def pieces(self, seen: Seen, file: str, start: int) -> Iterator[Iterator[bytes]]:
        """A file of the published mosaic, from a byte on."""
        path = f"/requests/{seen.id}/files/{BY_NAME[file].key}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._stream(path, headers) as answer:
            if start and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                raise PassingError(f"{self._url} does not give a part of {file}: fetch it anew")
            yield answer.iter_raw()

    def _pages(self, **filters: str) -> Iterator[Seen]:
        address: str | None = str(httpx.URL("/requests", params=filters | {"limit": "200"}))
        while address:
            page = self._ask("GET", address)
            yield from map(_seen, page["requests"])
            address = page["next"] and self._own(page["next"])

    def _own(self, address: str) -> str:
        """The path of an address that the server gave; the token goes to no other host, whatever the server says."""
        url = httpx.URL(address)
        if url.is_absolute_url or url.host:
            raise PassingError(f"{self._url} sends to another server for the next page")
        return address.removeprefix("/api/v1")

    def _events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-Sent Events: the kind of each, and its data."""
        with self._stream(path, {"Accept": "text/event-stream"}) as answer:
            kind, data = "", ""
            for line in answer.iter_lines():
                name, _, value = line.partition(":")
                if not line and data:
                    yield kind, self._parsed(data)
                    kind = data = ""
                elif name == "event":
                    kind = value.strip()
                elif name == "data":
                    data += value.strip()

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        with self._explained():
            answer = self._client.request(method, path, **what)
        _expect(answer, self._url)
        return self._parsed(answer.content)

    def _parsed(self, content: str | bytes) -> Any:
        try:
            return parse_json(content, f"the answer of {self._url}")
        except RequestError as error:
            raise PassingError(str(error)) from None

    @contextmanager
    def _stream(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        with self._explained(), self._client.stream("GET", path, headers=headers) as answer:
            if answer.is_error:
                answer.read()
            _expect(answer, self._url)
            yield answer

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            advice = "is `mosaic serve` running?" if self._url == DEFAULT_SERVER else "is that its address?"
            raise PassingError(f"{self._url} does not answer ({error}): {advice}") from None


def _expect(answer: httpx.Response, url: str) -> None:
    """Turn a problem into the error that it is."""
    if answer.is_success:
        return
    try:
        told = str(parse_json(answer.content, url)["detail"])
    except (RequestError, KeyError, TypeError):
        told = f"{url} answers {answer.status_code} {answer.reason_phrase}"
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        told += "; it is taken from MOSAIC_TOKEN or ~/.config/mosaic/token"
    if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise PassingError(told)
    raise RequestError(told)


def _seen(told: dict[str, Any]) -> Seen:
    return Seen(told["id"], told["name"], told["created"], told["status"])
