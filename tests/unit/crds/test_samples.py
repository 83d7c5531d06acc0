"""The samples are valid, and each begins with a description."""

from pathlib import Path

import pytest
from mosaic_crds.validation import parse_request

SAMPLES = sorted((Path(__file__).parents[3] / "crds" / "samples").glob("*.yaml"))


@pytest.mark.parametrize("sample", [pytest.param(sample, id=sample.stem) for sample in SAMPLES])
def test_a_sample_is_valid_has_the_name_of_its_file_and_a_description(sample):
    text = sample.read_text()
    assert text.startswith("# ")
    assert parse_request(text, sample.name).metadata.name == sample.stem


def test_there_is_a_sample_of_each_kind():
    names = [
        "geomedian",
        "greenest",
        "median",
        "ndsi",
        "ndvi-british-columbia",
        "ndvi-classes",
        "ndvi-difference",
        "sentinel-2-product",
        "true-colour",
    ]
    assert [sample.stem for sample in SAMPLES] == names
