"""Tiles, values and legend of a classified mosaic, compared with its COG."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_api.database import Database
from mosaic_api.settings import Settings
from mosaic_worker.finalize.classes import NO_CLASS_COLOUR
from PIL import Image
from rasterio.warp import transform

from support.api.clients import Client
from support.api.published import NDSI, Published, publish, store_of, two_bands

CLASSES = [
    {"name": "Little", "colour": "#2166ac", "range": {"below": -0.1}},
    {"name": "Much", "colour": "#F7F7F7", "range": {"atLeast": 0.3}},
]
COLOURS = {1: (0x21, 0x66, 0xAC, 255), 2: (0xF7, 0xF7, 0xF7, 255)}


@pytest.fixture(scope="module")
def classified(tmp_path_factory) -> Published:
    folder: Path = tmp_path_factory.mktemp("classified")
    spec = {"source": two_bands(folder, "utm", 600, 500), "product": NDSI | {"classes": CLASSES}}
    return publish(folder, "classified", spec)


@pytest.fixture
def settings(settings: Settings, classified: Published) -> Settings:
    return replace(settings, store=str(store_of({"classified": classified})))


def get(client: Client, database: Database, classified: Published, path: str) -> Any:
    return client("ann").get(f"/api/v1/requests/{classified.row(database)}/{path}")


def point(classified: Published, number: int) -> tuple[float, float]:
    """The longitude and latitude of the first pixel with a number."""
    with rasterio.open(classified.cog) as dataset:
        row, column = np.argwhere(dataset.read(1) == number)[0]
        (lon,), (lat,) = transform(dataset.crs, "EPSG:4326", *([each] for each in dataset.xy(row, column)))
    return lon, lat


@pytest.mark.parametrize(("number", "label"), [(1, "Little"), (2, "Much"), (255, "no class"), (0, None)])
def test_a_point_has_the_name_of_its_class(
    client: Client, database: Database, classified: Published, number: int, label: str | None
):
    lon, lat = point(classified, number)
    body = get(client, database, classified, f"point?lon={lon}&lat={lat}").json()
    assert body == {"bands": [{"name": "class", "value": number or None, "label": label}]}


def test_a_tile_has_only_the_colours_of_the_classes(client: Client, database: Database, classified: Published):
    answer = get(client, database, classified, "tiles/14/8876/5886.png")
    assert answer.status_code == 200
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA")).reshape(-1, 4)
    assert {tuple(each) for each in np.unique(pixels[pixels[:, 3] > 0], axis=0).tolist()} == set(COLOURS.values())
    assert (pixels[:, 3] == 0).any()
    assert NO_CLASS_COLOUR not in {tuple(each[:3]) for each in pixels[pixels[:, 3] > 0].tolist()}


def test_a_legend_lists_the_classes_with_their_shares(client: Client, database: Database, classified: Published):
    body = get(client, database, classified, "legend").json()
    with rasterio.open(classified.cog) as dataset:
        numbers = dataset.read(1)
    valid = (numbers > 0).sum()
    assert (body["title"], body["colormap"], body["colours"], body["stops"]) == ("NDSI", None, [], [])
    assert [(each["name"], each["colour"]) for each in body["classes"]] == [
        ("Little", "#2166ac"),
        ("Much", "#f7f7f7"),
        ("no class", None),
    ]
    for number, each in zip((1, 2, 255), body["classes"], strict=True):
        assert each["percent"] == pytest.approx(100 * (numbers == number).sum() / valid)
        assert each["area"] == pytest.approx(100 * (numbers == number).sum(), rel=0.002)


@pytest.mark.parametrize("parameter", ["colormap=viridis", "minimum=0", "maximum=1"])
def test_other_colours_are_refused(client: Client, database: Database, classified: Published, parameter: str):
    answer = get(client, database, classified, f"tiles/14/8876/5886.png?{parameter}")
    assert (answer.status_code, answer.json()["field"]) == (422, parameter.partition("=")[0])
    assert "a classified mosaic has the colours of its classes" in answer.json()["detail"]
