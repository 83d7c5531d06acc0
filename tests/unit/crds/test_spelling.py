"""Words in messages: suggestions for misspelt words, and numbers with nouns."""

import pytest
from mosaic_crds.spelling import counted, did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "candidates", "meant"),
    [
        ("meidan", ["mean", "median", "max"], "median"),
        ("NDVII", ["NDII", "NDVI", "EVI"], "NDVI"),
        ("rdylgn", ["viridis", "RdYlGn"], "RdYlGn"),
        ("NVDI", ["NDBI", "NDVI"], "NDVI"),
        ("EIV", ["EIVI", "EVI"], "EVI"),
        ("NDV", ["NDVI", "NDVJ"], "NDVI"),
        ("xyz", ["median", "mean"], None),
        ("", ["median"], None),
        ("median", [], None),
    ],
)
def test_the_nearest_word_is_found_if_one_is_near(word, candidates, meant):
    assert nearest(word, candidates) == meant
    assert did_you_mean(word, candidates) == (f" (did you mean {meant}?)" if meant else "")


def test_a_noun_after_a_number_has_its_plural():
    assert [counted(number, "scene") for number in (0, 1, 1000)] == ["0 scenes", "1 scene", "1,000 scenes"]
