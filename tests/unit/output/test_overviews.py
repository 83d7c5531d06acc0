"""Overviews: the mean of valid pixels, or the first pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosaic_worker.output.overviews import halve

values = st.one_of(st.floats(-1000, 1000, width=32), st.just(np.float32(np.nan)))


@given(arrays(np.float32, st.tuples(st.just(2), st.integers(1, 300), st.integers(1, 9)), elements=values))
@pytest.mark.filterwarnings("ignore:Mean of empty:RuntimeWarning")
def test_a_pixel_is_the_mean_of_the_valid_ones_or_the_first(array):
    _, height, width = array.shape
    found = halve(array, ["mean", "first"])
    padded = np.pad(array.astype(float), ((0, 0), (0, height % 2), (0, width % 2)), constant_values=np.nan)
    quarters = padded.reshape(2, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2)
    np.testing.assert_allclose(found[0], np.nanmean(quarters[0], axis=(1, 3)), rtol=1e-5, atol=1e-3)
    assert np.array_equal(found[1], array[1, ::2, ::2], equal_nan=True)
