"""An HTTP server that forwards requests to another one: a proxy between a store and its service in tests."""

import http.client
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeVar

Server = TypeVar("Server", bound="Forwarder")
HOP = {"connection", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers.items() if key.lower() == name), "")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False
    """Whether to break the connection after half of the body, or immediately if there is none.

    A response without a body would be complete, and the connection might break during the next request instead.
    """


class Forwarder(ThreadingHTTPServer):
    """Forwards every request unchanged, so that the other server verifies the signature itself."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Handler)
        self.upstream = upstream

    @property
    def address(self) -> str:
        return f"{self.server_address[0]}:{self.server_port}"

    def answer(self, request: Request) -> Answer | None:
        """The response; None breaks the connection."""
        return self.forward(request)

    def forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in HOP | {"content-length"}:
                    connection.putheader(name, value)
            if request.body or request.method in {"PUT", "POST"}:
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            headers = {name: value for name, value in response.headers.items() if name.lower() not in HOP}
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that closed the connection."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Forwarder
    disable_nagle_algorithm = True

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)) if "Content-Length" in self.headers else b""
        found = self.server.answer(Request(self.command, self.path, dict(self.headers.items()), body))
        if found is None or (found.cut and (self.command == "HEAD" or not found.body)):
            self._break()
            return
        self.send_response_only(found.status)
        for name, value in found.headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found.body[: len(found.body) // 2] if found.cut else found.body)
        if found.cut:
            self._break()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 (the library's names)

    def _break(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
