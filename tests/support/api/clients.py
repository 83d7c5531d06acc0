"""Types of the clients that tests use."""

from collections.abc import Callable

from fastapi.testclient import TestClient

Client = Callable[..., TestClient]
"""`client("ann", "editor", ("read",))` has a token of a user, a role and scopes; `client()` has none."""
