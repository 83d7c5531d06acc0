"""Edges between real scenes of different days: harmonising and blending make the steps at them smaller."""

from pathlib import Path

import numpy as np
import pytest
from mosaic_worker.local.run import prepare
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.plan.harmonising import harmonised
from mosaic_worker.plan.planning import Limits
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from test_real_scenes import item_of, scene_ids

from support.scenes.pipeline import request_of

OVERLAP = [14.999, 45.75, 15.9, 46.05]
"""The overlap of both tiles, and a margin."""


def step(scenes: Path, dates: tuple[int, int], **composite: object) -> float:
    """The mean step of red from the last row of the upper tile to the first row of the lower one, without its sign.

    Texture and noise have a mean of 0, so what remains is the difference between the two days.
    """
    names = [scene_ids(scenes, tile)[date] for tile, date in zip(("33TWL", "33TWM"), dates, strict=True)]
    spec = {
        "area": {"bbox": OVERLAP},
        "source": {"files": {"scenes": [{"item": item_of(scenes, name)} for name in names]}},
        "product": {"bands": ["red"]},
        "composite": {"method": "latest", "mask": ["cloud", "shadow", "cirrus"], "dilate": 1, "chosen": True}
        | composite,
    }
    request, gate = request_of(spec), own_machine(scenes)
    plan = harmonised(prepare(request, gate, Limits(), 1), request.spec, gate)
    red, chosen = np.full((2, *plan.grid.shape), np.nan, np.float32)
    for tile in plan.tiles:
        rows, columns = slice(tile.y, tile.y + tile.height), slice(tile.x, tile.x + tile.width)
        red[rows, columns], chosen[rows, columns] = compute_tile(plan, tile, OpenSources(gate)).values
    down, above, below = red[1:] - red[:-1], chosen[:-1], chosen[1:]
    steps = np.concatenate([down[(above == 1) & (below == 2)], -down[(above == 2) & (below == 1)]])
    assert steps.size > 1000
    return float(abs(steps.mean()))


def test_gains_and_blending_reduce_the_step_at_the_edges_of_real_scenes(scenes):
    pairs = [(1, 3), (4, 1)]
    plain, gain, blended = (
        np.mean([step(scenes, dates, **composite) for dates in pairs])
        for composite in ({}, {"harmonise": "gain"}, {"harmonise": "gain", "feather": 1200.0})
    )
    assert plain == pytest.approx(0.0152, abs=0.002)
    assert gain < plain / 4
    assert blended < gain / 2
