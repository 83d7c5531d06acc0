"""Files of mosaics as browsers and GDAL fetch them: whole, in ranges, or from a cache."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mosaic_api.database import Database
from mosaic_api.settings import Settings

from support.api.clients import Client
from support.api.published import Published, store_of


@pytest.fixture
def settings(settings: Settings, shown: dict[str, Published]) -> Settings:
    return replace(settings, store=str(store_of(shown)))


@pytest.fixture
def cog(shown: dict[str, Published], database: Database) -> tuple[str, bytes]:
    """The path and the content of a COG."""
    mosaic = shown["utm"]
    return f"/api/v1/requests/{mosaic.row(database)}/files/cog", mosaic.cog.read_bytes()


@pytest.mark.parametrize(
    ("content", "file", "media_type", "name"),
    [
        ("cog", "mosaic.tif", "image/tiff; application=geotiff; profile=cloud-optimized", "utm.tif"),
        ("png", "mosaic.png", "image/png", "utm.png"),
        ("thumbnail", "thumbnail.png", "image/png", "utm-thumbnail.png"),
        ("item", "mosaic.json", "application/geo+json", "utm.json"),
    ],
)
def test_serves_a_file_unchanged_with_the_name_of_its_request(
    client: Client, database: Database, shown: dict[str, Published], content: str, file: str, media_type: str, name: str
):
    mosaic = shown["utm"]
    answer = client("ann").get(f"/api/v1/requests/{mosaic.row(database)}/files/{content}")
    assert answer.content == (mosaic.folder / file).read_bytes()
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("private")


@pytest.mark.parametrize(
    ("requested", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=100-", 100, None),
        ("bytes=-50", -50, None),
        ("bytes=5-999999999999", 5, None),
        ("bytes=-999999999999", 0, None),
    ],
)
def test_serves_a_single_range(client: Client, cog: tuple[str, bytes], requested: str, start: int, stop: int | None):
    address, content = cog
    answer = client("ann").get(address, headers={"Range": requested})
    wanted = content[start:stop]
    first = content.index(wanted)
    assert (answer.status_code, answer.content) == (206, wanted)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(content)}"


@pytest.mark.parametrize(
    "requested", ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "lines=1-2", "bytes=a-b", "bytes=" + "9" * 40 + "-"]
)
def test_serves_the_whole_file_unless_it_is_a_single_range(client: Client, cog: tuple[str, bytes], requested: str):
    answer = client("ann").get(cog[0], headers={"Range": requested})
    assert (answer.status_code, answer.content) == (200, cog[1])


@pytest.mark.parametrize("requested", ["bytes=99999999-", "bytes=99999999-100000000", "bytes=-0"])
def test_refuses_a_range_beyond_the_end(client: Client, cog: tuple[str, bytes], requested: str):
    answer = client("ann").get(cog[0], headers={"Range": requested})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(cog[1])}")
    assert answer.headers["content-type"] == "application/problem+json"


def test_serves_the_whole_file_if_the_content_has_changed(client: Client, cog: tuple[str, bytes]):
    ann = client("ann")
    etag = ann.head(cog[0]).headers["etag"]
    assert ann.get(cog[0], headers={"Range": "bytes=0-9", "If-Range": etag}).status_code == 206
    for other in ('"other"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert ann.get(cog[0], headers={"Range": "bytes=0-9", "If-Range": other}).status_code == 200


def test_answers_304_for_known_content(client: Client, cog: tuple[str, bytes]):
    ann = client("ann")
    etag = ann.get(cog[0]).headers["etag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = ann.get(cog[0], headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")


def test_head_has_the_headers_of_get(client: Client, cog: tuple[str, bytes]):
    ann = client("ann")
    whole, part = ann.head(cog[0]), ann.head(cog[0], headers={"Range": "bytes=0-99"})
    assert (whole.status_code, whole.headers["content-length"], whole.content) == (200, str(len(cog[1])), b"")
    assert (part.status_code, part.headers["content-length"], part.content) == (206, "100", b"")


def test_answers_404_for_a_file_that_was_not_requested(client: Client, database: Database, shown: dict[str, Published]):
    mosaic = shown["no-picture"].row(database)
    answer = client("ann").get(f"/api/v1/requests/{mosaic}/files/png")
    assert answer.status_code == 404
    assert json.loads(client("ann").get(f"/api/v1/requests/{mosaic}/files/item").content)["id"]


def test_serves_only_the_files_of_the_mosaic(
    client: Client, database: Database, shown: dict[str, Published], tmp_path: Path
):
    mosaic = shown["utm"].row(database)
    for name in ("..%2F..%2Fplan.json", "%2e%2e", "mosaic.tif"):
        assert client("ann").get(f"/api/v1/requests/{mosaic}/files/{name}").status_code in {404, 422}
