"""Free ports for the servers that tests start."""

import secrets
import socket
from contextlib import suppress

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 30_000)
"""Below the ports that the system chooses, so that no other process gets a port before its server listens on it."""


def free_port(host: str = LOOPBACK) -> int:
    """A port of an address that nobody listens on."""
    for _ in range(100):
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(f"no port of {host} is free")
