"""The values of a mosaic at a point, rounded for display."""

import numpy as np
import pytest
from mosaic_api.results.points import values_at
from mosaic_api.results.published import PublishedMosaic
from mosaic_worker.finalize.results import Results
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.output.tone import LINEAR


class OnePixel:
    """A fake COG of a mosaic with one pixel."""

    def __init__(self, stored: np.generic) -> None:
        self.stored = stored

    def read(self, *_: object) -> np.ndarray:
        return np.array([[[self.stored]]])


@pytest.mark.parametrize(
    ("stored", "scale", "offset", "expected"),
    [
        (np.float32(0.1), 1.0, 0.0, 0.1),
        (np.int16(1234), 0.0001, 0.0, 0.1234),
        (np.int16(1234), 0.1, 100_000.0, 100_123.4),
        (np.int16(-5), 0.1, 0.0, -0.5),
        (np.int16(300), 1.0, 0.0, 300.0),
    ],
)
def test_a_value_has_the_digits_of_the_stored_one(stored: np.generic, scale: float, offset: float, expected: float):
    mosaic = PublishedMosaic(
        name="one",
        results=Results("n", "one", "uid"),
        title="one",
        grid=Grid("EPSG:4326", 10.0, 41.0, 1.0, 1.0, 1, 1),
        names=("one",),
        shown=(0,),
        dtype=str(stored.dtype),
        scales=(scale,),
        offsets=(offset,),
        stretch=[(0.0, 1.0)],
        colormap="viridis",
        tone=LINEAR,
    )
    assert values_at(OnePixel(stored), mosaic, 10.5, 40.5) == [expected]
