"""The requests in the documentation are valid."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml
from mosaic_crds.request import MosaicRequest

ROOT = Path(__file__).parents[3]
GUIDES = [ROOT / "README.md", *(ROOT / "docs" / "getting-started").glob("*.md")]
PRINTED = [
    pytest.param(textwrap.dedent(block), id=file.name)
    for file in GUIDES
    for block in re.findall(r"^ *apiVersion: mosaics\S*\n(?: *(?!END)\S.*\n)+", file.read_text(), re.MULTILINE)
]


def test_the_documentation_contains_at_least_three_requests():
    assert len(PRINTED) >= 3


@pytest.mark.parametrize("printed", PRINTED)
def test_a_documented_request_is_valid(printed: str):
    MosaicRequest.model_validate(yaml.safe_load(printed))
