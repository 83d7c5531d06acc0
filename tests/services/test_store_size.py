"""Large content: memory stays constant, and reads of a COG fetch only the required bytes."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rasterio
from conftest import Place
from mosaic_worker.store import Store, open_store
from rasterio.io import MemoryFile
from rasterio.windows import Window

from support.servers.faults import Faults
from support.servers.forwarding import serving

GIGABYTE = 10**9
STREAM = """
import json, sys
from mosaic_worker.store import open_store

def peak():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000  # not ru_maxrss, which starts at that of the parent

def content():
    for number in range(1000):
        yield number.to_bytes(4, "big") * 250_000

store = open_store(sys.argv[1])
store.create("a/small", [b"x"])
store.read("a/small")
before = peak()
created = store.create("a/gigabyte", content())
print(json.dumps({"created": created, "megabytes": peak() - before}))
"""


def test_streams_a_gigabyte_with_constant_memory(place: Place, record_property: Callable[[str, object], None]) -> None:
    """A separate process may use at most 150 MB more than before."""
    done = subprocess.run([sys.executable, "-c", STREAM, place.uri], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    record_property("megabytes", found["megabytes"])
    assert found["created"]
    assert found["megabytes"] < 150
    store = open_store(place.uri)
    for number in (0, 1, 499, 999):
        start = number * 1_000_000
        assert store.read("a/gigabyte", start, start + 1_000_000) == number.to_bytes(4, "big") * 250_000
    assert store.read("a/gigabyte", GIGABYTE - 4, GIGABYTE + 10) == (999).to_bytes(4, "big")
    store.delete("a/gigabyte")


@pytest.fixture(scope="module")
def cog() -> Iterator[tuple[bytes, np.ndarray]]:
    """A COG of 32 MB of noise that does not compress."""
    pixels = np.random.default_rng(1).integers(0, 65536, (4096, 4096), dtype=np.uint16)
    with MemoryFile() as memory:
        with memory.open(
            driver="COG", width=4096, height=4096, count=1, dtype="uint16", crs="EPSG:32610",
            transform=rasterio.Affine(10, 0, 500000, 0, -10, 5500000), blocksize=512, compress="deflate",
        ) as dataset:  # fmt: skip
            dataset.write(pixels, 1)
        yield memory.read(), pixels


def test_gdal_reads_a_window_of_a_cog_by_ranges(
    remote: Place, monkeypatch: pytest.MonkeyPatch, cog: tuple[bytes, np.ndarray]
) -> None:
    """GDAL uses the credentials of the store without GDAL variables; a window of one block costs less than 1 MB."""
    content, pixels = cog
    assert open_store(remote.uri).create("a/cog.tif", [content])
    assert remote.service is not None
    with serving(Faults(remote.service.address)) as server:
        for name, value in remote.service.at(server.address).items():
            monkeypatch.setenv(name, value)
        store = open_store(remote.uri)
        with rasterio.open("a/cog.tif", opener=lambda path, mode="rb": store.open(path)) as dataset:
            found = dataset.read(1, window=Window(1024, 2048, 512, 512))
        assert np.array_equal(found, pixels[2048:2560, 1024:1536])
        assert server.sent < 1_500_000 < len(content) / 20
        assert len(server.seen) < 20


def test_gdal_reads_every_kind_of_store_through_an_opener(store: Store, cog: tuple[bytes, np.ndarray]) -> None:
    content, pixels = cog
    assert store.create("a/cog.tif", [content])
    with rasterio.open("a/cog.tif", opener=lambda path, mode="rb": store.open(path)) as dataset:
        found = dataset.read(1, window=Window(0, 0, 100, 100))
    assert np.array_equal(found, pixels[:100, :100])
