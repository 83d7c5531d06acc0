"""Decoding a small file must not take much memory, whatever its header says about blocks, tiles and bands."""

import struct
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest
import rasterio
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.access.zips import member_reference
from mosaic_worker.sources.readers.jpeg2000 import _code_block
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.opening import open_raster
from rasterio.transform import from_origin

from support.scenes.rasters import noise, write_raster
from support.servers.range_server import serving


def interleaved(path: Path, bands: int, block: int) -> Path:
    """A small GeoTIFF with all bands in a single block."""
    profile = {"driver": "GTiff", "width": block, "height": block, "count": bands, "dtype": "uint8", "tiled": True}
    place = {"crs": "EPSG:32633", "transform": from_origin(0, 0, 10, 10)}
    with rasterio.open(
        path, "w", blockxsize=block, blockysize=block, interleave="pixel", sparse_ok=True, **profile, **place
    ):
        pass
    return path


def test_interleaved_bands_count_towards_the_size_of_a_block(tmp_path):
    bomb = interleaved(tmp_path / "bomb.tif", 800, 1024)
    assert bomb.stat().st_size < 30_000
    with pytest.raises(RequestError, match="1024 x 1024 pixels with 800 bands each, too large to decode"):
        open_raster(str(bomb), "x")
    open_raster(str(interleaved(tmp_path / "usual.tif", 13, 512)), "x").close()


def test_interleaved_bands_count_in_a_remote_file_too(tmp_path):
    interleaved(tmp_path / "bomb.tif", 800, 1024)
    with serving(tmp_path) as address, closing(OpenSources(pod(address))) as sources:
        with pytest.raises(RequestError, match="too large to decode"):
            sources.get(f"http://{address}/bomb.tif", "x")


def jpeg2000(path: Path, at: int, claimed: bytes) -> Path:
    """A JPEG 2000 file with some bytes of its main header replaced."""
    write_raster(path, noise(256, 256, 1), driver="JP2OpenJPEG", tiled=True, blockxsize=128, blockysize=128)
    content = bytearray(path.read_bytes())
    place = content.index(b"\xff\x4f\xff\x51") + at
    content[place : place + len(claimed)] = claimed
    path.write_bytes(content)
    return path


SIZE, TILE = 8, 24
"""Offset of the image and tile sizes from the start of a codestream."""
CODE_BLOCKS = (SIZE, struct.pack(">8I", 60_000, 60_000, 0, 0, 60_000, 60_000, 0, 0))
MANY_TILES = (SIZE, struct.pack(">8I", 65_000, 65_000, 0, 0, 128, 128, 0, 0))


@pytest.mark.parametrize(
    ("at", "claimed", "sentence"),
    [
        (*MANY_TILES, "258064 tiles of 1 components, too many to decode"),
        (*CODE_BLOCKS, "code-blocks, too many to decode|too large to decode"),
        (TILE, bytes(8), "damaged JPEG 2000 file"),
    ],
    ids=["tiles", "code-blocks", "no-tiles"],
)
def test_a_jpeg_2000_file_that_needs_too_much_memory_never_reaches_the_decoder(
    at, claimed, sentence, tmp_path, monkeypatch
):
    path = jpeg2000(tmp_path / "bomb.jp2", at, claimed)
    with ZipFile(tmp_path / "bomb.zip", "w") as archive:
        archive.write(path, "bomb.jp2")
    monkeypatch.setattr(rasterio, "open", lambda *_, **__: pytest.fail("the decoder was called"))
    for name in (str(path), member_reference(str(tmp_path / "bomb.zip"), "bomb.jp2")):
        with pytest.raises(RequestError, match=sentence):
            open_raster(name, "x")
    with serving(tmp_path) as address, closing(OpenSources(pod(address))) as sources:
        with pytest.raises(RequestError, match=sentence):
            sources.get(f"http://{address}/bomb.jp2", "x")


def test_the_size_of_code_blocks_is_checked(tmp_path):
    path = jpeg2000(tmp_path / "small.jp2", SIZE, struct.pack(">8I", 8192, 8192, 0, 0, 8192, 8192, 0, 0))
    open_raster(str(path), "x").close()
    content = bytearray(path.read_bytes())
    exponents = content.index(b"\xff\x52") + 10
    content[exponents : exponents + 2] = b"\0\0"  # 4 x 4 samples
    path.write_bytes(content)
    with pytest.raises(RequestError, match="of 4194304 code-blocks, too many to decode"):
        open_raster(str(path), "x")


def test_small_precincts_imply_small_code_blocks():
    assert _code_block(0, bytes([1, 4, 4, 0, 0])) == 64 * 64
    assert _code_block(1, bytes([1, 4, 4, 0, 0, 0x22, 0x33])) == 2 * 2
