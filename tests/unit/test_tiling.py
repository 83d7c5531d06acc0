"""Tiles cover the mosaic exactly once; ranges are contiguous, complete and nearly equal in work."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import BLOCK, block_side, equal_ranges, tile_side, tiles_of


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_tiles_cover_every_pixel_exactly_once(width, height):
    grid = Grid("EPSG:32633", 0, 0, 10, 10, width, height)
    side = tile_side(grid, BLOCK)
    covered = np.zeros((-(-height // 64), -(-width // 64)), np.int64)
    tiles = tiles_of(grid, side)
    assert sum(tile.width * tile.height for tile in tiles) == grid.pixels
    for number, tile in enumerate(tiles):
        assert tile.index == number
        assert tile.width > 0
        assert tile.height > 0
        assert tile.x % side == tile.y % side == 0
        covered[tile.y // 64 : -(-(tile.y + tile.height) // 64), tile.x // 64 : -(-(tile.x + tile.width) // 64)] += 1
    assert (covered == 1).all()


def test_tiles_contain_whole_blocks():
    assert tile_side(Grid("EPSG:32633", 0, 0, 10, 10, 5490, 5490), BLOCK) % BLOCK == 0
    assert tile_side(Grid("EPSG:32633", 0, 0, 10, 10, 40_000, 40_000), BLOCK) % BLOCK == 0


def test_tiles_of_a_coarse_grid_are_small_so_that_cores_share_the_work():
    grid = Grid("EPSG:32633", 0, 0, 60, 60, 667, 667)
    assert len(tiles_of(grid, tile_side(grid, BLOCK, 1.0))) == 1
    assert len(tiles_of(grid, tile_side(grid, BLOCK, 6.0))) == 4


@pytest.mark.parametrize(
    ("blocks", "resolution", "expected"),
    [
        ((1024, 1024), 10, 512),  # Sentinel-2 at 10 m
        ((640, 640), 20, 640),  # at 20 m
        ((640, 640), 10, 640),  # at 20 m, on a grid of 10 m
        ((192, 192), 20, 384),
        ((256, 256), 20, 512),
        ((5490, 1), 20, BLOCK),  # rows
        ((500, 500), 20, BLOCK),  # not a multiple of 16
    ],
)
def test_blocks_match_those_of_the_source(blocks, resolution, expected):
    image = Grid("EPSG:32633", 300_000, 5_000_000, 20, 20, 5490, 5490)
    grid = Grid("EPSG:32633", 300_000, 5_000_000, resolution, resolution, 5490, 5490)
    assert block_side([(image, blocks)], grid) == expected


def test_blocks_have_the_default_size_if_the_source_is_not_aligned_with_the_mosaic():
    image = Grid("EPSG:32633", 300_000, 5_000_000, 20, 20, 5490, 5490)
    one_block_on = Grid("EPSG:32633", 300_000 + 640 * 20, 5_000_000, 20, 20, 3000, 3000)
    assert block_side([(image, (640, 640))], one_block_on) == 640
    within_a_block = Grid("EPSG:32633", 300_000 + 100 * 20, 5_000_000, 20, 20, 3000, 3000)
    assert block_side([(image, (640, 640))], within_a_block) == BLOCK
    elsewhere = Grid("EPSG:3035", 300_000, 5_000_000, 20, 20, 3000, 3000)
    assert block_side([(image, (640, 640))], elsewhere) == BLOCK


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=200), st.integers(1, 300))
def test_ranges_are_contiguous_complete_and_never_empty(work, count):
    ranges = equal_ranges(work, count)
    assert len(ranges) == min(count, len(work))
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(work)
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    assert all(start < stop for start, stop in ranges)


@given(st.lists(st.floats(1, 100), min_size=20, max_size=200), st.integers(2, 8))
def test_no_range_has_much_more_work_than_others(work, count):
    shares = [sum(work[start:stop]) for start, stop in equal_ranges(work, count)]
    assert max(shares) <= sum(work) / count + 2 * max(work)


def test_equal_tiles_are_distributed_evenly():
    assert equal_ranges([1.0] * 36, 4) == [(0, 9), (9, 18), (18, 27), (27, 36)]
