"""Tokens of the Planetary Computer: one for all files of a container, requested when it is needed."""

import json
from pathlib import Path

import pytest
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.http.signed_urls import unsigned
from mosaic_worker.sources.kinds.planetary_computer import planetary_computer_signer

from support.servers.range_server import RequestLog, serving

HREF = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/10/U/DC/B04.tif"


@pytest.fixture
def tokens(tmp_path: Path):
    """A server of tokens; call it to change the token."""
    folder = tmp_path / "sentinel2l2a01"
    folder.mkdir()
    log = RequestLog()

    def give(name: str, ends: str) -> None:
        token = f"st=2024-01-01T00%3A00%3A00Z&se={ends}&sp=rl&sv=2024-05-04&sr=c&sig={name}"
        (folder / "sentinel2-l2").write_text(json.dumps({"msft:expiry": ends, "token": token}))

    with serving(tmp_path, log) as address:
        yield give, log, address


def test_a_token_of_a_container_is_requested_once(tokens):
    give, log, address = tokens
    give("one", "2099-01-01T00%3A00%3A00Z")
    signer = planetary_computer_signer(pod(address), f"http://{address}")
    for name in ("B04", "B08", "B04"):
        href = HREF.replace("B04", name)
        url = signer.sign(href)
        assert url.startswith(f"{href}?st=")
        assert url.endswith("&sig=one")
        assert unsigned(url) == href
    assert len(log.requests) == 1


def test_a_token_that_expires_soon_is_renewed(tokens):
    give, log, address = tokens
    give("old", "2020-01-01T00%3A00%3A00Z")
    signer = planetary_computer_signer(pod(address), f"http://{address}")
    signer.sign(HREF)
    give("new", "2099-01-01T00%3A00%3A00Z")
    assert signer.renew(HREF)
    assert signer.sign(HREF).endswith("&sig=new")
    assert len(log.requests) == 2


def test_other_files_need_no_token(tokens):
    _, log, address = tokens
    signer = planetary_computer_signer(pod(address), f"http://{address}")
    assert signer.sign("https://example.org/a.tif") == "https://example.org/a.tif"
    assert log.requests == []
