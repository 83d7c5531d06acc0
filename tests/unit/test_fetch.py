"""Responses of a server that `mosaic fetch` accepts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mosaic_api.commands import fetch
from mosaic_crds.errors import PassingError, RequestError
from rich.progress import Progress

SHA256 = "1220" + "0" * 64
ASSET: dict[str, Any] = {"href": "./mosaic.tif", "file:size": 5, "file:checksum": SHA256}


def files(**changes: Any) -> list[fetch.File]:
    return list(fetch._files(json.dumps({"assets": {"mosaic": ASSET | changes}}).encode()))


def test_reads_name_size_and_checksum_of_files_from_an_item():
    assert files() == [fetch.File("mosaic.tif", 5, "0" * 64)]


@pytest.mark.parametrize(
    "changes",
    [
        {"href": "../../.bashrc"},
        {"href": "/etc/passwd"},
        {"href": ".."},
        {"href": ".hidden"},
        {"href": 5},
        {"file:checksum": "1220/../../../x"},
        {"file:checksum": "1220"},
        {"file:size": "5"},
    ],
)
def test_refuses_a_file_with_an_unknown_name_or_without_checksum(changes: dict[str, Any]):
    with pytest.raises(RequestError, match="not the Item of a mosaic"):
        files(**changes)


@pytest.mark.parametrize("text", ["[]", "{}", '{"assets": 1}', '{"assets": {"a": 1}}', "[" * 100_000, "NaN"])
def test_refuses_an_invalid_item(text: str):
    with pytest.raises(RequestError):
        list(fetch._files(text.encode()))


class Endless:
    """A backend whose files never end."""

    @contextmanager
    def read_file(self, *_: Any) -> Iterator[Iterator[bytes]]:
        yield (bytes(1000) for _ in iter(int, 1))


def test_gives_up_an_endless_file(tmp_path: Path):
    with pytest.raises(PassingError, match="does not match the checksum"), Progress(disable=True) as bar:
        fetch._download(Endless(), None, tmp_path, fetch.File("mosaic.tif", 5, "0" * 64), bar)
    assert list(tmp_path.iterdir()) == []
    with Endless().read_file() as pieces:
        assert len(fetch._small(pieces)) < 17 * 2**20
