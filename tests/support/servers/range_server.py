"""A small HTTP server that supports byte ranges, as object stores do, and records requests."""

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit


@dataclass
class RequestLog:
    """A log of requests: the path with the query, the range, and the size of the response, of each."""

    requests: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(size for _, _, size in self.requests)

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]


@dataclass
class Gate:
    """Holds the reads of some files after their headers, so that a test decides when a mosaic goes on.

    Attributes:
        closed_to: Part of the paths that are held.
        opened: Set while nothing is held.
    """

    closed_to: str = ""
    opened: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.opened.set()

    @contextmanager
    def closed(self, to: str) -> Iterator[None]:
        """Hold the reads of files with this text in their path."""
        self.closed_to = to
        self.opened.clear()
        try:
            yield
        finally:
            self.opened.set()

    def wait(self, path: str, first_byte: int) -> None:
        """Wait while the file at the path is held; its first bytes never are."""
        if self.closed_to in path and first_byte > 0:
            self.opened.wait()


class RangeHandler(SimpleHTTPRequestHandler):
    """Serves byte ranges; returns 503 for a path with `busy` in it, and 302 for one below /away/."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    log: RequestLog | None = None
    gate: Gate | None = None
    delay: float = 0.0
    """Latency of each response in seconds."""

    def do_GET(self) -> None:
        time.sleep(self.delay)
        if self.path.startswith("/away/"):
            self.answer(302, Location="http://elsewhere.invalid/a.tif")
            return
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.answer(503 if "busy" in self.path else 404)
            return
        with path.open("rb") as file:
            size = path.stat().st_size
            named = {"Accept-Ranges": "bytes", "ETag": f'"{path.stat().st_mtime_ns}"'}
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if wanted is None:
                self.answer(200, file.read(), **named)
                return
            start, stop = int(wanted[1]), min(size, int(wanted[2] or size - 1) + 1)
            if start >= size:
                self.answer(416, **{"Content-Range": f"bytes */{size}"})
                return
            if self.gate is not None:
                self.gate.wait(self.path, start)
            file.seek(start)
            self.answer(206, file.read(stop - start), **named, **{"Content-Range": f"bytes {start}-{stop - 1}/{size}"})

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Send a response, and record it."""
        if self.log is not None:
            sent = 0 if self.command == "HEAD" else len(content)
            self.log.requests.append((self.path, self.headers.get("Range", ""), sent))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, log: RequestLog | None = None, delay: float = 0.0, gate: Gate | None = None) -> Iterator[str]:
    """Serve a folder; yield the address, host:port."""
    kind = type("Handler", (RangeHandler,), {"log": log, "delay": delay, "gate": gate})
    with serving_by(partial(kind, directory=str(folder))) as address:
        yield address


@contextmanager
def serving_by(
    handler: Callable[..., BaseHTTPRequestHandler],
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Run a handler; yield the address, host:port."""
    server = ThreadingHTTPServer((host, port), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def query_of(path: str) -> str:
    """The query of a request's path."""
    return urlsplit(path).query
