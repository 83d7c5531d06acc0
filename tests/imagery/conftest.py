"""Tests on real Sentinel-2 scenes in the folder MOSAIC_TEST_IMAGERY; without it they are skipped with a message."""

import os
from pathlib import Path

import pytest

VARIABLE = "MOSAIC_TEST_IMAGERY"


@pytest.fixture(scope="session")
def imagery() -> Path:
    """The folder of the scenes."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} is not set: no real imagery on this machine")
    return Path(folder)


@pytest.fixture(scope="session")
def scenes(imagery: Path) -> Path:
    """The folder of the ten Sentinel-2 scenes."""
    return imagery / "sentinel2-l2a" / "sentinel-2-l2a"
