"""Every environment variable that a user can set is in the reference of settings."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = [file for room in ("api", "worker_image", "crds", "operator") for file in (ROOT / room).rglob("*.py")]
SET_BY_THE_OPERATOR = {
    "MOSAIC_INLINE_SECONDS", "MOSAIC_INPUT", "MOSAIC_INPUT_SHA256", "MOSAIC_JOB", "MOSAIC_MAX_SCENES",
    "MOSAIC_OPERATOR_URL",
    "MOSAIC_PARALLELISM", "MOSAIC_RANGE_SECONDS", "MOSAIC_SHARED_BYTES", "MOSAIC_TERMINATION_LOG",
}  # fmt: skip


def test_the_reference_lists_every_variable():
    named = {name for file in CODE for name in re.findall(r'"(MOSAIC_[A-Z0-9_]*[A-Z0-9])"', file.read_text())}
    listed = set(re.findall(r"MOSAIC_[A-Z0-9_]*[A-Z0-9]", (ROOT / "docs/reference/settings.md").read_text()))
    assert len(named) > 20
    assert named - SET_BY_THE_OPERATOR <= listed
