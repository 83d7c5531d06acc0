"""The display copy of a file counts and has limits, and its reader ends at a timeout and with its server or client."""

import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from conftest import PUBLIC_URL
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Database, OrphanFile
from mosaic_api.datasets.reader.job import ENV_JOB, Job
from mosaic_api.datasets.reader.launcher import _BOUNDED, convert
from mosaic_api.datasets.service import DatasetService
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Invalid
from sqlalchemy import select

from support.api.dataset_files import geotiff, picture, vectors
from support.api.installations import until

MIB = 2**20


def job(folder: Path, content: bytes, format_name: str, suffix: str, **limits: Any) -> Job:
    (folder / f"original{suffix}").write_bytes(content)
    return Job(
        path=str(folder / f"original{suffix}"),
        name="one",
        format=format_name,
        max_pixels=10**9,
        display=str(folder / "display.tif"),
        outcome=str(folder / "outcome.json"),
        **limits,
    )


def repeated(tiles: int) -> bytes:
    """A GeoTIFF of tiles x tiles tiles of 512 x 512 pixels, which all refer to the same noisy tile."""
    side = 512 * tiles
    noise = np.random.default_rng(0).integers(0, 255, (1, 512, 512), np.uint8)
    content = bytearray(geotiff(noise, tiled=True, blockxsize=512, blockysize=512, compress="DEFLATE"))
    datasets = struct.unpack_from("<I", content, 4)[0]
    for at in range(datasets + 2, datasets + 2 + 12 * struct.unpack_from("<H", content, datasets)[0], 12):
        tag, _, _ = struct.unpack_from("<HHI", content, at)
        if tag in {256, 257}:  # width and height
            struct.pack_into("<HII", content, at + 2, 4, 1, side)
        if tag in {324, 325}:  # offsets and sizes of the tiles
            kind, value = (
                struct.unpack_from("<H2xI2x", content, at + 2)[0],
                struct.unpack_from("<I", content, at + 8)[0],
            )
            value = value & 0xFFFF if kind == 3 else value
            struct.pack_into("<HII", content, at + 2, 4, tiles**2, len(content))
            content += struct.pack("<I", value) * tiles**2
    return bytes(content)


@pytest.fixture
def ann(settings: Settings, database: Database) -> Any:
    """A factory for a client of one user, of an application with limits."""
    with database.transaction() as session:
        _, secret = create_token(session, named_user(session, "ann"), "t", ("write",), None)

    def make(**limits: int) -> TestClient:
        app = create_app(replace(settings, **limits))
        return TestClient(app, base_url=PUBLIC_URL, headers={"Authorization": f"Bearer {secret}"})

    return make


def send(client: TestClient, content: bytes, **form: Any) -> Any:
    return client.post("/api/v1/datasets", data={"kind": "image", "name": "one"} | form, files={"file": ("a", content)})


def stored(settings: Settings) -> int:
    """The bytes of all files in the store."""
    return sum(path.stat().st_size for path in Path(settings.store).rglob("*") if path.is_file())


def test_counts_the_display_copy_of_a_file_and_deletes_it_when_refused(
    ann: Any, settings: Settings, database: Database
):
    content = repeated(10)
    assert len(content) < 300_000
    with ann(max_stored_bytes=40 * MIB) as client:
        kept = send(client, content)
        assert kept.status_code == 201, kept.text
        size = stored(settings)
        assert size > 25 * MIB
        assert sum(file["bytes"] for file in kept.json()["files"].values()) == size
        refused = send(client, content)
        assert refused.status_code in {413, 422}, refused.text
        assert "its display copy exceeds the remaining" in refused.json()["detail"]
    assert stored(settings) == size
    with database.transaction() as session:
        assert session.scalars(select(OrphanFile.key)).all() == []


def test_refuses_an_image_with_too_many_pixels_before_reading_it(ann: Any, settings: Settings):
    with ann(max_display_bytes=20 * MIB) as client:
        refused = send(client, repeated(10))
    assert refused.status_code == 422
    assert "at most 0.0 GiB can be shown" in refused.json()["detail"]
    assert stored(settings) == 0


def test_blocks_of_a_display_copy_with_many_bands_are_small(tmp_path: Path):
    convert(job(tmp_path, geotiff(np.zeros((100, 300, 300), np.float64)), "GeoTIFF", ".tif"))
    with rasterio.open(tmp_path / "display.tif") as shown:
        rows, columns = shown.block_shapes[0]
        assert rows * columns * shown.count * 8 <= 4 * MIB


def test_refuses_a_geopackage_with_a_view_without_running_it(tmp_path: Path):
    path = vectors(tmp_path / "x.gpkg", "GPKG")
    with sqlite3.connect(path) as made:
        made.execute(
            "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e15) "
            "SELECT i AS fid, geom FROM n, lakes"
        )
        for table in ("gpkg_contents", "gpkg_geometry_columns"):
            columns = [column for _, column, *_ in made.execute(f"PRAGMA table_info({table})")]
            taken = ", ".join("'endless'" if column in {"table_name", "identifier"} else column for column in columns)
            made.execute(f"INSERT INTO {table} SELECT {taken} FROM {table} WHERE table_name = 'lakes'")
    made.close()
    started = time.monotonic()
    with pytest.raises(Invalid, match="has the view 'endless', and only tables are read"):
        convert(job(tmp_path, path.read_bytes(), "GeoPackage", ".gpkg", seconds=30))
    assert time.monotonic() - started < 25


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE lakes ADD COLUMN c AS (hex(zeroblob(fid * 100000000)))",
        "CREATE VIRTUAL TABLE words USING fts5(x)",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_refuses_a_geopackage_with_computed_tables(tmp_path: Path, statement: str):
    path = vectors(tmp_path / "x.gpkg", "GPKG")
    with sqlite3.connect(path) as made:
        made.execute(statement)
    made.close()
    with pytest.raises(Invalid, match=r"only tables are read|only stored columns are read|not a plain table"):
        convert(job(tmp_path, path.read_bytes(), "GeoPackage", ".gpkg"))


def test_the_reader_of_a_file_ends_with_its_server_while_a_library_blocks(tmp_path: Path):
    path = tmp_path / "original.geojson"
    os.mkfifo(path)
    work = Job(path=str(path), name="one", format="GeoJSON", max_pixels=1, outcome=str(tmp_path / "outcome.json"))
    child = subprocess.Popen(
        [sys.executable, "-m", "mosaic_api.datasets.reader"],
        stdin=subprocess.PIPE,
        env=os.environ | _BOUNDED | {ENV_JOB: work.model_dump_json()},
        start_new_session=True,
    )
    writer = until(lambda: _writer(path))  # the library waits for data that never arrives
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(20) == -signal.SIGIO
    assert not (tmp_path / "outcome.json").exists()
    os.close(writer)


def _writer(path: Path) -> int | None:
    """A file descriptor to write to a pipe that has a reader."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


PLACE = {"west": 1, "south": 1, "east": 2, "north": 2}


def test_keeps_changes_made_while_a_picture_is_moved(laptop: TestClient, monkeypatch: pytest.MonkeyPatch):
    path = f"/api/v1/datasets/{send(laptop, picture(), **PLACE).json()['id']}"
    place = DatasetService._moved_picture

    def change_and_place(*arguments: Any) -> Any:
        placed = place(*arguments)
        assert laptop.patch(path, json={"minimum": 3, "maximum": 9, "name": "two"}).status_code == 200
        return placed

    monkeypatch.setattr(DatasetService, "_moved_picture", change_and_place)
    moved = laptop.patch(path, json=PLACE | {"east": 3})
    assert moved.status_code == 200, moved.text
    read = laptop.get(path).json()
    assert (read["bounds"], read["name"], read["details"]["limits"]) == ([1, 1, 3, 2], "two", [3, 9])


def test_if_match_refuses_a_change_of_an_outdated_version(laptop: TestClient):
    made = send(laptop, picture(), **PLACE)
    path, seen = f"/api/v1/datasets/{made.json()['id']}", made.headers["etag"]
    assert laptop.get(path).headers["etag"] == seen
    first = laptop.patch(path, json={"name": "first"}, headers={"If-Match": seen})
    assert (first.status_code, first.headers["etag"] != seen) == (200, True)
    for refused in (
        laptop.patch(path, json={"name": "second"}, headers={"If-Match": seen}),
        laptop.patch(path, json=PLACE | {"east": 3}, headers={"If-Match": seen}),
        laptop.delete(path, headers={"If-Match": seen}),
    ):
        assert (refused.status_code, "has changed in the meantime" in refused.json()["detail"]) == (412, True)
    assert laptop.get(path).json()["name"] == "first"
    for allowed in ("*", f'"other", {first.headers["etag"]}'):
        assert laptop.patch(path, json={"name": "first"}, headers={"If-Match": allowed}).status_code == 200
    assert laptop.delete(path, headers={"If-Match": laptop.get(path).headers["etag"]}).status_code == 204
