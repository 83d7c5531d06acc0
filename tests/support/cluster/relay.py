"""Forwards connections to another address."""

import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

Reach = Callable[[], socket.socket]


class _Relay(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, reach: Reach) -> None:
        super().__init__(("", 0), _Connection, bind_and_activate=False)
        self.socket.close()
        self.socket, self.reach = listener, reach


class _Connection(socketserver.BaseRequestHandler):
    server: _Relay

    def handle(self) -> None:
        with suppress(OSError), self.server.reach() as inner:
            back = Thread(target=_pour, args=(inner, self.request))
            back.start()
            _pour(self.request, inner)
            back.join()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relayed(listener: socket.socket, reach: Reach) -> Iterator[None]:
    """Forward connections while the context is open.

    Args:
        listener: accepts connections; closed at the end.
        reach: opens a connection to the other address.
    """
    relay = _Relay(listener, reach)
    thread = Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        relay.shutdown()
        thread.join()
        relay.server_close()
