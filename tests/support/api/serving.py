"""`mosaic serve` in a folder of a test, started and stopped as a user does."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from mosaic_crds.names import API_VERSION

from support.api.executors import children, is_running, spec_of, until
from support.ports import free_port
from support.scenes.rasters import noise, write_raster

MOSAIC = Path(sys.executable).parent / "mosaic"


@contextmanager
def own_place() -> Iterator[Path]:
    """A folder below /tmp that all users can enter, with two bands and a request for them."""
    made = Path(tempfile.mkdtemp(prefix="mosaic serve "))
    made.chmod(0o755)
    for number, name in enumerate(("green", "swir16")):
        write_raster(made / f"scenes/{name}.tif", noise(4096, 3072, number), tiled=True)
    write_request(made / "snow.yaml", spec_of("scenes"))
    yield made
    shutil.rmtree(made)


def write_request(path: Path, spec: dict) -> Path:
    head = {"apiVersion": API_VERSION, "kind": "MosaicRequest", "metadata": {"name": path.stem}}
    path.write_text(yaml.safe_dump(head | {"spec": spec}))
    return path


Served = tuple["subprocess.Popen[str]", httpx.Client]


def command(place: Path, *more: object) -> list[str]:
    return [str(MOSAIC), "serve", "--data", str(place / "data"), *map(str, more)]


@contextmanager
def served(place: Path, *more: object, port: int | None = None) -> Iterator[Served]:
    """Run a server that shows its page, with a client for it; stop it at the end if it still runs."""
    port = port or free_port()
    output = (place / "said").open("w+")
    process = subprocess.Popen(
        command(place, "--port", port, *more), stdout=output, stderr=output, cwd=place, start_new_session=True
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            until(lambda: f"http://127.0.0.1:{port}/?token=" in text_of(place) or process.poll() is not None)
            assert process.poll() is None, text_of(place)
            client.headers["Authorization"] = f"Bearer {(place / 'data/token').read_text().strip()}"
            yield process, client
    finally:
        below = children(process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        output.close()
        until(lambda: not any(is_running(each) for each in below), 20)


def text_of(place: Path) -> str:
    return (place / "said").read_text()


def servers_below(place: Path) -> list[int]:
    """The database servers whose data are below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].endswith("/postgres") and any(word.startswith(str(place)) for word in words):
            found.append(int(process.name))
    return found
