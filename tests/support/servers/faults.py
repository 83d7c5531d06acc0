"""A proxy between a store and its service that loses requests and responses, or is busy, as a test decides."""

from collections.abc import Callable
from threading import Lock

from support.servers.forwarding import Answer, Forwarder, Request

FAULTS = ("request lost", "answer lost", "answer cut", "busy")
Chosen = Callable[[int, Request], str | Answer | None]


class Faults(Forwarder):
    """Handles each request as `choose` decides, given its number from 0 on: one of FAULTS, a response, or nothing."""

    def __init__(self, upstream: str, choose: Chosen = lambda number, request: None) -> None:
        super().__init__(upstream)
        self.choose = choose
        self.seen: list[Request] = []
        self.sent = 0
        self._lock = Lock()

    def answer(self, request: Request) -> Answer | None:
        with self._lock:
            number = len(self.seen)
            self.seen.append(Request(request.method, request.target, request.headers, b""))
        chosen = self.choose(number, request)
        if isinstance(chosen, Answer):
            return chosen
        if chosen == "request lost":
            return None
        if chosen == "busy":
            return Answer(503, {"x-ms-error-code": "ServerBusy"}, b"<Error><Code>SlowDown</Code></Error>")
        answer = self.forward(request)
        with self._lock:
            self.sent += len(answer.body)
        if chosen == "answer lost":
            return None
        return Answer(answer.status, answer.headers, answer.body, cut=chosen == "answer cut")


def only(step: int, fault: str) -> Chosen:
    """A fault of one request."""
    return lambda number, request: fault if number == step else None


def always(fault: str | Answer) -> Chosen:
    """A fault of every request."""
    return lambda number, request: fault
