"""The files that the documents on security and architecture mention exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / name for name in ("SECURITY.md", "docs/decisions/0023-threat-model.md", "docs/architecture.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_mentioned_file_exists(document: Path):
    text = document.read_text()
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (document.parent / link).exists(), link
    code = [
        path.as_posix()
        for room in ("api", "crds", "operator", "worker_image", "tests")
        for path in (ROOT / room).rglob("*.py")
    ]
    for name in re.findall(r"`([\w/]+\.py)`", text):
        assert any(path.endswith(f"/{name}") for path in code), name
