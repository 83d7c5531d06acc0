"""Previews of finished tiles while a mosaic is being made."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from mosaic_api.database import Database, Request
from mosaic_api.results.previews import Preview
from mosaic_api.settings import Settings
from mosaic_crds import names
from mosaic_worker.local.run import prepare
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits
from mosaic_worker.plan.stored import write_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.store import Store, open_store
from mosaic_worker.tiles import records
from mosaic_worker.tiles.ranges import compute_range
from mosaic_worker.tiles.records import read_records
from PIL import Image
from rasterio.warp import transform
from sqlalchemy import select

from support.api.clients import Client
from support.api.published import NDSI, Published, two_bands
from support.scenes.pipeline import request_of


@dataclass
class Making:
    """A mosaic that is being made range by range."""

    plan: Plan
    store: Store
    folder: Path
    address: str

    def do(self, *ranges: int) -> None:
        sources = OpenSources(own_machine(self.folder))
        for index in ranges:
            compute_range(self.plan, index, self.store, sources)


@pytest.fixture
def making(settings: Settings, database: Database, tmp_path: Path) -> Making:
    """A mosaic of 2 x 2 tiles with a range for each; no range is done."""
    source = two_bands(tmp_path, "scene", 1300, 1100)
    spec = {"source": source, "product": NDSI, "output": {"stretch": {"minmax": {}}}}
    store = open_store(settings.store)
    plan = write_plan(prepare(request_of(spec), own_machine(tmp_path), Limits(), workers=1), store)
    assert len(plan.ranges) == len(plan.tiles) == 4
    row = Published(tmp_path / plan.uid, "", "test", spec, {}).row(database, item=None, phase="Running", status={})
    return Making(plan, store, tmp_path, f"/api/v1/requests/{row}/preview")


def preview(client: TestClient, making: Making, stretch: str | None = None) -> dict:
    answer = client.get(making.address, params={"stretch": stretch} if stretch else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_lists_tiles_as_they_are_finished(client: Client, making: Making):
    ann = client("ann")
    assert preview(ann, making) == {"stretch": None, "tiles": []}
    making.do(3)
    assert [tile["index"] for tile in preview(ann, making)["tiles"]] == [3]
    making.do(0, 2)
    assert [tile["index"] for tile in preview(ann, making)["tiles"]] == [0, 2, 3]


def test_a_picture_has_the_location_of_its_tile(client: Client, making: Making):
    making.do(3)
    ann = client("ann")
    (tile,) = preview(ann, making)["tiles"]
    picture = np.asarray(Image.open(io.BytesIO(ann.get(tile["url"]).content)).convert("RGBA"))
    assert max(picture.shape[:2]) <= 512
    cut = making.plan.tiles[3]
    bounds = making.plan.grid.window(cut.x, cut.y, cut.width, cut.height).bounds
    lons, lats = transform(making.plan.grid.crs, "EPSG:4326", [bounds[0], bounds[2]], [bounds[1], bounds[3]])
    assert tile["bounds"] == pytest.approx([lons[0], lats[0], lons[1], lats[1]], abs=2e-4)
    assert (picture[..., 3] > 0).mean() > 0.95


def test_the_stretch_spans_the_finished_tiles(client: Client, making: Making):
    making.do(0, 1)
    found = read_records(making.plan, making.store)
    lower = min(record.statistics.bands[0].minimum for record in found.values())
    upper = max(record.statistics.bands[0].maximum for record in found.values())
    stretch = preview(client("ann"), making)["stretch"]
    assert [float(number) for number in stretch.split(",")] == pytest.approx([lower, upper])


def test_keeps_the_colours_while_the_client_sends_the_stretch(client: Client, making: Making):
    ann = client("ann")
    making.do(0)
    first = preview(ann, making)
    making.do(1, 2, 3)
    again = preview(ann, making, first["stretch"])
    assert again["stretch"] == first["stretch"]
    assert again["tiles"][0] == first["tiles"][0]
    assert len(again["tiles"]) == 4


def test_records_are_read_once(client: Client, making: Making, monkeypatch: pytest.MonkeyPatch):
    ann = client("ann")
    making.do(0, 1)
    preview(ann, making)
    context = ann.app.state.context
    read: list[str] = []
    real = context.store.read
    monkeypatch.setattr(context.store, "read", lambda key, *part: read.append(key) or real(key, *part))
    making.do(2)
    assert len(preview(ann, making)["tiles"]) == 3
    assert read == [names.record_key(making.plan.uid, 2, 2)]


def test_ignores_unreadable_records(client: Client, making: Making):
    making.do(0)
    key = names.record_key(making.plan.uid, 1, 1)
    making.store.create(key, [b"{cut sho"])
    assert [tile["index"] for tile in preview(client("ann"), making)["tiles"]] == [0]
    assert making.store.read(key) == b"{cut sho"


def test_answers_404_for_a_lost_part(client: Client, making: Making):
    making.do(0)
    ann = client("ann")
    (tile,) = preview(ann, making)["tiles"]
    record = read_records(making.plan, making.store)[0]
    making.store.delete(names.part_key(making.plan.uid, 0, record.digest))
    assert ann.get(tile["url"]).status_code == 404


@pytest.mark.parametrize("stretch", ["", "1", "0,1,2", "nan,1", "a,b", "1e39,2", "0,1,"])
def test_refuses_an_invalid_stretch(client: Client, making: Making, stretch: str):
    making.do(0)
    answer = client("ann").get(f"{making.address}/0.png", params={"stretch": stretch})
    assert (answer.status_code, answer.json()["field"]) == (422, "stretch")


def test_a_finished_request_has_no_preview(client: Client, making: Making, database: Database):
    making.do(0)
    ann = client("ann")
    url = preview(ann, making)["tiles"][0]["url"]
    with database.transaction() as session:
        session.scalars(select(Request)).one().phase = "Succeeded"
    assert preview(ann, making) == {"stretch": None, "tiles": []}
    assert ann.get(url).status_code == 404


def test_a_plan_of_other_code_has_no_preview(client: Client, making: Making, database: Database):
    other = replace(making.plan, code="another", uid="fedcba9876543210")
    write_plan(other, making.store)
    with database.transaction() as session:
        session.scalars(select(Request)).one().uid = other.uid
    assert preview(client("ann"), making)["tiles"] == []


def test_prefers_the_record_of_a_recomputed_tile(making: Making):
    making.do(2)
    record = replace(read_records(making.plan, making.store)[2], skipped=(1,), digest="f" * 32)
    making.store.create(names.record_key(making.plan.uid, 2, 2, record.skipped), [record.to_json()])
    making.store.create(f"{names.group_prefix(making.plan.uid, 2)}odd.json", [b"{}"])
    (done,) = Preview(making.plan, making.store).finished().values()
    assert done.key == names.part_key(making.plan.uid, 2, record.digest)


def test_finds_tiles_whose_records_are_merged_and_reads_no_record_of_known_ones(making: Making, monkeypatch):
    monkeypatch.setattr(records, "FEWEST_TOGETHER", 2)
    plan = replace(making.plan, ranges=((0, 2), (2, 4)))
    watched, merging = Preview(plan, making.store), Preview(plan, making.store)
    sources = OpenSources(own_machine(making.folder))
    compute_range(plan, 0, making.store, sources, lambda _: watched.finished())
    assert sorted(watched.finished()) == sorted(merging.finished()) == [0, 1]
    monkeypatch.setattr(making.store, "read", lambda *_: pytest.fail("a record was read again"))
    assert sorted(watched.finished()) == [0, 1]
