"""Remote JPEG 2000 files: read by ranges if the header lists the tiles, otherwise copied once within a limit."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from mosaic_crds.errors import PassingError, RequestError
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.readers import gdal_opening
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.readers.jpeg2000 import Codestream
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import read_band

from support.scenes.rasters import noise, write_raster
from support.servers.range_server import RequestLog, serving

SIDE, BLOCK = 1024, 256
VALUES = noise(SIDE, SIDE, 7)


def copies(scratch: Path) -> int:
    """How many copies exist; they have no names, so the system deletes them when their process ends."""
    assert not list(scratch.iterdir())
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # a descriptor that was closed meanwhile
            if str(handle.readlink()).startswith(str(scratch)):
                found.add(handle.stat().st_ino)
    return len(found)


def write(path: Path, **options: object) -> Path:
    return write_raster(path, VALUES, driver="JP2OpenJPEG", tiled=True, blockxsize=BLOCK, blockysize=BLOCK, **options)


def reader(content: bytes):
    return lambda start, count: content[start : start + count]


def grid(column: int, row: int, width: int, height: int) -> Grid:
    return Grid("EPSG:32633", 500_000, 5_000_000, 10, 10, SIDE, SIDE).window(column, row, width, height)


@contextmanager
def temporary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for copies."""
    place = folder / "scratch"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield place


@pytest.mark.parametrize("codec", ["JP2", "J2K"])
def test_finds_tiles_by_tlm_markers(tmp_path, codec):
    content = write(tmp_path / "a", TLM="YES", CODEC=codec).read_bytes()
    found = Codestream.of(reader(content))
    assert found is not None
    assert (found.width, found.height, found.columns, len(found.parts)) == (BLOCK, BLOCK, SIDE // BLOCK, 16)
    for tile, start, _ in found.parts:
        assert content[start : start + 2] == b"\xff\x90"  # SOT
        assert int.from_bytes(content[start + 4 : start + 6]) == tile
    assert content[found.parts[-1][2] :][:2] == b"\xff\xd9"  # EOC
    assert [tile for tile, start, stop in found.parts if (start, stop) in found.ranges(Window(256, 300, 600, 512))] == [
        5,
        6,
    ]


def test_cannot_find_tiles_without_tlm_markers(tmp_path):
    found = Codestream.of(reader(write(tmp_path / "a").read_bytes()))
    assert found is not None
    assert not found.indexed


@pytest.mark.parametrize("content", [b"", b"II*\0", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n", bytes(100)])
def test_truncated_and_other_files_have_no_codestream(content):
    assert Codestream.of(reader(content)) is None


def test_a_damaged_header_raises_no_exception(tmp_path):
    content = write(tmp_path / "a", TLM="YES").read_bytes()[:400]
    for place in range(400):
        for byte in (0, 1, 255):
            Codestream.of(reader(content[:place] + bytes([byte]) + content[place + 1 :]))


def test_reads_only_the_required_tiles_with_tlm(tmp_path, monkeypatch):
    path, log = write(tmp_path / "served" / "a.jp2", TLM="YES"), RequestLog()
    with temporary(tmp_path, monkeypatch) as scratch, serving(path.parent, log) as address:
        gate, href = pod(address), f"http://{address}/a.jp2"
        with Headers(gate) as headers:
            band = headers.described_band(href, 1, (None, None, None), "x")
        assert len(log.requests) <= 2
        log.requests.clear()
        with closing(OpenSources(gate)) as sources:
            assert np.array_equal(
                read_band(sources, band, grid(256, 300, 300, 200), None, "x"), VALUES[300:500, 256:556]
            )
            assert copies(scratch) == 0
    assert len(log.requests) <= 3
    assert log.bytes < path.stat().st_size / 2


def test_copies_the_file_once_without_tlm_and_deletes_the_copy(tmp_path, monkeypatch):
    path, log = write(tmp_path / "served" / "a.jp2"), RequestLog()
    with temporary(tmp_path, monkeypatch) as scratch, serving(path.parent, log) as address:
        gate, href = pod(address), f"http://{address}/a.jp2"
        with Headers(gate) as headers:
            band = headers.described_band(href, 1, (None, None, None), "x")
        assert log.bytes < path.stat().st_size / 2
        log.requests.clear()
        with closing(OpenSources(gate)) as sources:
            for row in range(0, SIDE, 256):
                found = read_band(sources, band, grid(0, row, SIDE, 256), None, "x")
                assert np.array_equal(found, VALUES[row : row + 256])
            assert copies(scratch) == 1
        assert copies(scratch) == 0
    assert len(log.requests) == 2
    assert log.bytes <= path.stat().st_size + 2**16


def test_limits_disk_space(tmp_path, monkeypatch):
    size = write(tmp_path / "served" / "a.jp2").stat().st_size
    for name in "bc":
        (tmp_path / "served" / f"{name}.jp2").write_bytes((tmp_path / "served" / "a.jp2").read_bytes())
    with temporary(tmp_path, monkeypatch) as scratch, serving(tmp_path / "served") as address:
        gate = pod(address)
        with closing(OpenSources(gate, disk=2 * size)) as sources:
            for name in "abcacb":
                image = sources.get(f"http://{address}/{name}.jp2", "x")
                assert image.dataset.read(1, window=((0, 9), (0, 9))).tolist() == VALUES[:9, :9].tolist()
                assert copies(scratch) <= 2
        with closing(OpenSources(gate, disk=size - 1)) as sources:
            with pytest.raises(RequestError, match=rf"^x: .* must be copied, but its {size} bytes exceed .*Cloud Opt"):
                sources.get(f"http://{address}/a.jp2", "x")
        assert copies(scratch) == 0


def test_closes_a_copy_that_is_not_an_image(tmp_path, monkeypatch):
    path = write(tmp_path / "served" / "a.jp2")
    path.write_bytes(path.read_bytes().replace(b"\xff\x52", b"\xff\x00", 1))
    with temporary(tmp_path, monkeypatch) as scratch, serving(path.parent) as address:
        with closing(OpenSources(pod(address))) as sources:
            with pytest.raises(RequestError, match=r"x: http://.*/a.jp2 is not a GeoTIFF, JPEG 2000 or PNG image"):
                sources.get(f"http://{address}/a.jp2", "x")
        assert copies(scratch) == 0


def test_a_full_disk_is_a_temporary_fault(tmp_path, monkeypatch):
    path = write(tmp_path / "served" / "a.jp2")
    monkeypatch.setattr(gdal_opening, "TemporaryFile", lambda prefix: Path("/dev/full").open("wb"))  # noqa: SIM115
    with serving(path.parent) as address, closing(OpenSources(pod(address))) as sources:
        with pytest.raises(PassingError, match=r"^x: .*a\.jp2 cannot be copied to .*: No space left on device"):
            sources.get(f"http://{address}/a.jp2", "x")
