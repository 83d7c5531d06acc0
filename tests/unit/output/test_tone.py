"""Gamma and the shoulder of pictures of three bands, against their formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaic_worker.output.stretched import stretch_to_bytes
from mosaic_worker.output.tone import KNEE, LINEAR, WHITE, Tone

VALUES = np.linspace(-0.5, 1.5, 4001, dtype=np.float32).reshape(1, 1, -1)


def of_formula(values, lower, upper, gamma, shoulder):
    """The colours 0 to 254 by the formulas of the docs, in float64 and pixel by pixel."""
    found = []
    for value in values.ravel().astype(np.float64):
        x = min(max((value - lower) / (upper - lower), 0), WHITE if shoulder else 1)
        if shoulder and x > KNEE:
            t, w = (x - KNEE) / (1 - KNEE), (WHITE - KNEE) / (1 - KNEE)
            x = KNEE + (1 - KNEE) * t * (1 + t / w**2) / (1 + t)
        found.append(254 * x ** (1 / gamma))
    return np.array(found).reshape(values.shape)


@settings(max_examples=25, deadline=None)
@given(
    gamma=st.floats(0.2, 2.5),
    shoulder=st.booleans(),
    limits=st.sampled_from([(0.0, 0.3), (-0.1, 0.9), (0.02, 1.1)]),
)
def test_colours_follow_the_formula(gamma, shoulder, limits):
    found = stretch_to_bytes(VALUES, [limits], Tone(gamma, shoulder)).astype(float) - 1
    assert np.abs(found - of_formula(VALUES, *limits, gamma, shoulder)).max() < 0.75
    assert (np.diff(found) >= 0).all()


def test_the_shoulder_keeps_clouds_and_snow_apart_and_leaves_the_rest_alone():
    values = np.array([[[0.0, 0.1, 0.21, 0.3, 0.6, 0.9, 1.2, 5.0, np.nan]]], np.float32)
    plain = stretch_to_bytes(values, [(0, 0.3)])[0, 0]
    soft = stretch_to_bytes(values, [(0, 0.3)], Tone(shoulder=True))[0, 0]
    assert plain[3:8].tolist() == [255] * 5
    assert soft[:3].tolist() == plain[:3].tolist()
    assert soft[3] < soft[4] < soft[5] < soft[6] == soft[7] == 255
    assert soft[8] == plain[8] == 0


def test_the_shoulder_has_no_corner_at_the_knee():
    around = KNEE + np.array([-2e-4, -1e-4, 0, 1e-4, 2e-4])
    slopes = np.diff(Tone(shoulder=True).colours(around)) / 1e-4
    assert slopes == pytest.approx(1, abs=2e-3)


def test_without_gamma_and_shoulder_the_colours_are_linear():
    assert np.array_equal(stretch_to_bytes(VALUES, [(0, 1)], Tone(1.0)), stretch_to_bytes(VALUES, [(0, 1)], LINEAR))


def test_a_tone_does_not_depend_on_how_pixels_are_divided():
    values = np.random.default_rng(0).normal(0.2, 0.3, (3, 70, 33)).astype(np.float32)
    values[:, 3, 4] = np.nan
    limits, tone = [(0.0, 0.3), (0.0, 0.2), (0.1, 0.4)], Tone(1.4, shoulder=True)
    whole = stretch_to_bytes(values, limits, tone)
    parts = [stretch_to_bytes(values[:, :, part], limits, tone) for part in (slice(5), slice(5, 20), slice(20, 33))]
    assert np.array_equal(whole, np.concatenate(parts, axis=2))
    assert (whole[:, 3, 4] == 0).all()


@pytest.mark.parametrize("tone", [LINEAR, Tone(2.0, shoulder=True)])
def test_a_band_of_one_value_and_a_band_without_data(tone):
    values = np.array([[[7, np.nan]], [[np.nan, np.nan]]], np.float32)
    assert stretch_to_bytes(values, [(7, 7), (0, 1)], tone).tolist() == [[[128, 0]], [[0, 0]]]
