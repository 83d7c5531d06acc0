"""Tiles cover the mosaic exactly once; ranges are contiguous, complete and of nearly equal work."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import BLOCK, equal_ranges, tile_side, tiles_of


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


def test_tiles_hold_whole_blocks():
    assert tile_side(Grid("EPSG:32633", 0, 0, 10, 10, 5490, 5490), BLOCK) % BLOCK == 0
    assert tile_side(Grid("EPSG:32633", 0, 0, 10, 10, 40_000, 40_000), BLOCK) % BLOCK == 0


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=200), st.integers(1, 300))
def test_ranges_are_contiguous_complete_and_never_empty(work, count):
    ranges = equal_ranges(work, count)
    assert len(ranges) == min(count, len(work))
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(work)
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    assert all(start < stop for start, stop in ranges)


@given(st.lists(st.floats(1, 100), min_size=20, max_size=200), st.integers(2, 8))
def test_no_range_has_much_more_than_its_share(work, count):
    shares = [sum(work[start:stop]) for start, stop in equal_ranges(work, count)]
    assert max(shares) <= sum(work) / count + 2 * max(work)


def test_equal_tiles_are_shared_out_evenly():
    assert equal_ranges([1.0] * 36, 4) == [(0, 9), (9, 18), (18, 27), (27, 36)]
