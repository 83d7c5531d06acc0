"""The COG contains the input at every level and passes the field's own validators."""

import errno
import io

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaic_crds.errors import PassingError
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import part_levels, tiles_of
from mosaic_worker.output import pyramid
from mosaic_worker.output.cog import write_cog
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.geotiff import Description
from mosaic_worker.output.overviews import halve
from mosaic_worker.output.parts import encode_part
from mosaic_worker.output.tiff import directory_size, read_tags, tag, write_directory
from rio_cogeo import cog_validate

FLOATS = Encoding("float32", (1.0,), ("mean",))


def mosaic(path, values, encoding, side=1024, **more):
    _, height, width = values.shape
    grid = Grid("EPSG:32609", 600_000, 5_700_000, 10, 10, width, height)
    tiles = tiles_of(grid, side)
    parts = []
    for tile in tiles:
        place = grid.window(tile.x, tile.y, tile.width, tile.height)
        pixels = values[:, tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        parts.append(encode_part(pixels, encoding, place, part_levels(grid, side, encoding.block)))
    names = tuple(f"band{number}" for number in range(len(values)))
    description = Description(names, {"TIFFTAG_SOFTWARE": "test"}, ({"STATISTICS_MEAN": "0.5"},) * len(names))

    levels = [(*part.levels, part.above) for part in parts]

    class Source:
        def whole(self, level):
            return (b"".join(part.pieces)[part.above.start : part.above.stop] for part in parts)

        def rows(self, level, places):
            for tile, row in places:
                start, stop = levels[tile][level].row(row, encoding.block)
                yield b"".join(parts[tile].pieces)[start:stop]

    pieces = write_cog(grid, encoding, description, tiles, levels, Source(), **more)
    with path.open("wb") as file:
        file.writelines(pieces)
    return grid, parts


def field(bands, height, width, seed=0):
    values = np.random.default_rng(seed).normal(0, 0.3, (bands, height, width)).astype(np.float32)
    values[:, : height // 3, : width // 4] = np.nan
    return values


def assert_holds(path, values, encoding):
    assert cog_validate(path, strict=True) == (True, [], [])
    level, factor = values, 1
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.array_equal(dataset.read(), encoding.stored(values), equal_nan=True)
        overviews = dataset.overviews(1)
    expected = 0
    while max(level.shape[1:]) > 512:
        level, factor, expected = halve(level, encoding.reductions), factor * 2, expected + 1
        with rasterio.open(path, overview_level=expected - 1) as dataset:
            assert dataset.shape == level.shape[1:]
            np.testing.assert_allclose(dataset.read(), encoding.stored(level), rtol=1e-6, atol=1e-6)
    assert len(overviews) == max(expected, 0)


@pytest.mark.parametrize(
    "size", [(1, 1), (100, 700), (512, 512), (513, 1025), (1024, 1024), (2049, 1030), (1100, 2600)]
)
def test_a_mosaic_of_any_size_is_stored_unchanged(tmp_path, size):
    values = field(1, *size)
    mosaic(tmp_path / "a.tif", values, FLOATS)
    assert_holds(tmp_path / "a.tif", values, FLOATS)


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_a_mosaic_of_several_bands(tmp_path, bands):
    encoding = Encoding("float32", (1.0,) * bands, ("mean",) * (bands - 1) + ("first",))
    values = field(bands, 1100, 1300)
    mosaic(tmp_path / "a.tif", values, encoding)
    assert_holds(tmp_path / "a.tif", values, encoding)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.descriptions == tuple(f"band{number}" for number in range(bands))
        assert dataset.tags(bands)["STATISTICS_MEAN"] == "0.5"


def test_larger_tiles_contain_more_levels(tmp_path):
    values = field(1, 2500, 2300)
    _, parts = mosaic(tmp_path / "a.tif", values, FLOATS, side=2048)
    assert len(parts[0].levels) == 3
    assert_holds(tmp_path / "a.tif", values, FLOATS)


def test_overviews_that_do_not_fit_into_memory_are_written_from_a_temporary_file(tmp_path, monkeypatch):
    values = field(1, 2500, 2300)
    mosaic(tmp_path / "a.tif", values, FLOATS)
    monkeypatch.setattr(pyramid, "KEPT_BYTES", 1)
    mosaic(tmp_path / "b.tif", values, FLOATS)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_full_disk_of_temporary_files_is_a_passing_fault(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyramid, "SpooledTemporaryFile", Full)
    monkeypatch.setattr(pyramid, "KEPT_BYTES", b"")
    with pytest.raises(PassingError, match=r"an overview cannot be written to .*: No space left on device"):
        mosaic(tmp_path / "a.tif", field(1, 2500, 2300), FLOATS)


def test_scaled_integers(tmp_path):
    encoding = Encoding("int16", (0.0001,), ("mean",))
    values = field(1, 700, 600)
    values[0, -1, -1] = 5
    mosaic(tmp_path / "a.tif", values, encoding)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        stored = dataset.read(1)
        assert (dataset.dtypes[0], dataset.nodata, dataset.scales) == ("int16", -32768, (0.0001,))
    assert cog_validate(tmp_path / "a.tif", strict=True) == (True, [], [])
    fits = np.abs(values[0]) < 3.27
    assert np.abs(stored[fits] * 0.0001 - values[0][fits]).max() < 0.0000501
    assert (stored[~fits] == -32768).all()


def test_the_georeference_is_kept(tmp_path):
    grid, _ = mosaic(tmp_path / "a.tif", field(1, 30, 20), FLOATS)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert (dataset.transform, dataset.crs.to_epsg()) == (grid.transform, 32609)
        assert dataset.tags()["TIFFTAG_SOFTWARE"] == "test"
        assert np.isnan(dataset.nodata)


def test_offsets_have_eight_bytes_beyond_four_gigabytes(tmp_path):
    """Sets the limit to zero for a small mosaic instead of writing four gigabytes."""
    values = field(1, 1500, 1300)
    mosaic(tmp_path / "a.tif", values, FLOATS, classic_limit=0)
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    assert_holds(tmp_path / "a.tif", values, FLOATS)


def test_a_part_opens_as_a_georeferenced_geotiff(tmp_path):
    values = field(1, 1100, 1300)
    grid, parts = mosaic(tmp_path / "a.tif", values, FLOATS)
    (tmp_path / "part.tif").write_bytes(b"".join(parts[1].pieces))
    with rasterio.open(tmp_path / "part.tif") as dataset:
        assert np.array_equal(dataset.read(1), values[0, :1024, 1024:], equal_nan=True)
        assert dataset.transform @ (0, 0) == grid.transform @ (1024, 0)


def test_equal_values_give_equal_bytes():
    grid = Grid("EPSG:32609", 0, 0, 10, 10, 700, 600)
    one, two = (encode_part(field(1, 600, 700), FLOATS, grid, 2) for _ in range(2))
    assert (one.pieces, one.digest) == (two.pieces, two.digest)


tags = st.lists(
    st.tuples(
        st.integers(256, 40000), st.sampled_from([3, 4]), st.lists(st.integers(0, 65535), min_size=1, max_size=9)
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda entry: entry[0],
)


@settings(max_examples=50)
@given(tags)
def test_a_directory_is_parsed_as_written_and_has_the_predicted_size(entries):
    written = [tag(*entry) for entry in entries]
    directory = write_directory(written, 8, 0, big=False)
    assert len(directory) == directory_size(written, big=False)
    assert read_tags(b"II*\0\x08\0\0\0" + directory) == sorted(written, key=lambda entry: entry.code)
    assert len(write_directory(written, 8, 0, big=True)) == directory_size(written, big=True)
