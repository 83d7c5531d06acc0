"""The servers that tests start: where they are installed, and how they are started and ended."""

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

CACHE = Path(os.environ.get("MOSAIC_SERVICES_CACHE") or "~/.cache/mosaic-operator/services").expanduser()
"""Into which servers/install puts them."""
REGION = "ca-west-1"
ACCOUNT = "mosaictests"
START_SECONDS = 60


@dataclass(frozen=True)
class Service:
    """A running server, and what its clients' environment says: the address, and credentials made for this run."""

    address: str
    environment: dict[str, str] = field(repr=False)

    def at(self, address: str) -> dict[str, str]:
        """The environment of clients that reach it by another address."""
        return {name: value.replace(self.address, address) for name, value in self.environment.items()}


def missing() -> list[Path]:
    """The programs that are not there."""
    return [path for path in (CACHE / "azurite/node", CACHE / "versitygw") if not path.exists()]


@contextmanager
def azurite(folder: Path) -> Iterator[Service]:
    key = b64encode(secrets.token_bytes(64)).decode()
    port = free_port()
    program = CACHE / "azurite/node_modules/azurite/dist/src/blob/main.js"
    flags = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    flags += ["--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    with _running([CACHE / "azurite/node", program, *flags], {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}, folder, port):
        address = f"127.0.0.1:{port}"
        environment = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": key}
        yield Service(address, environment | {"AZURE_STORAGE_SERVICE_ENDPOINT": f"http://{address}/{ACCOUNT}"})


@contextmanager
def versitygw(folder: Path) -> Iterator[Service]:
    access, secret = secrets.token_hex(10), secrets.token_hex(20)
    port = free_port()
    (folder / "buckets").mkdir()
    flags = ["--port", f"127.0.0.1:{port}", "--region", REGION, "--quiet", "posix", folder / "buckets"]
    with _running([CACHE / "versitygw", *flags], {"ROOT_ACCESS_KEY": access, "ROOT_SECRET_KEY": secret}, folder, port):
        address = f"127.0.0.1:{port}"
        environment = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION}
        yield Service(address, environment | {"AWS_ENDPOINT_URL": f"http://{address}"})


@contextmanager
def stac_api(items: Sequence[dict[str, Any]], folder: Path) -> Iterator[str]:
    """Items as a STAC API gives them, by rustac; its landing page."""
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    port = free_port()
    program = Path(sys.executable).parent / "rustac"
    command = [program, "serve", "items.json", "--addr", f"127.0.0.1:{port}", "--create-collections"]
    with _running(command, {}, folder, port):
        yield f"http://127.0.0.1:{port}"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str | Path], environment: dict[str, str], folder: Path, port: int) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=os.environ | environment, cwd=folder, stdout=output, stderr=output)
    try:
        _await(server, port, log)
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder)  # gigabytes


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{server.args} did not start: {log.read_text()[-2000:]}")
