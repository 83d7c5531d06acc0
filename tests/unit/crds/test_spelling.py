"""What a misspelt word was meant to be."""

import pytest
from mosaic_crds.spelling import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "candidates", "meant"),
    [
        ("meidan", ["mean", "median", "max"], "median"),
        ("NDVII", ["NDII", "NDVI", "EVI"], "NDVI"),
        ("rdylgn", ["viridis", "RdYlGn"], "RdYlGn"),
        ("xyz", ["median", "mean"], None),
        ("", ["median"], None),
        ("median", [], None),
    ],
)
def test_the_nearest_word_is_found_if_one_is_near(word, candidates, meant):
    assert nearest(word, candidates) == meant
    assert did_you_mean(word, candidates) == (f" (did you mean {meant}?)" if meant else "")
