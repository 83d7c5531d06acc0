"""Bounding boxes on the globe, also across the antimeridian, in Python and as conditions in PostgreSQL."""

import uuid
from collections.abc import Iterator

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mosaic_api.database import Database, Dataset
from mosaic_api.datasets.boxes import Box, box_around, smallest_box
from mosaic_api.datasets.crud import overlapping
from shapely.geometry import shape
from sqlalchemy import select
from sqlalchemy.orm import Session

degrees = st.integers(-180, 180)
boxes = st.builds(
    lambda west, east, latitudes: Box(west, min(latitudes), east, max(latitudes)),
    degrees,
    degrees,
    st.tuples(st.integers(-90, 90), st.integers(-90, 90)),
)


def places(box: Box) -> set[tuple[int, int]]:
    """The whole degrees in a box; 180 and -180 are the same."""
    longitudes = range(int(box.west), int(box.unwrapped_east) + 1)
    return {
        ((longitude + 180) % 360, latitude)
        for longitude in longitudes
        for latitude in range(int(box.south), int(box.north) + 1)
    }


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.transaction() as opened:
        yield opened


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kept=boxes, wanted=boxes)
def test_boxes_overlap_if_they_share_a_location(session: Session, kept: Box, wanted: Box):
    dataset = Dataset(id=uuid.uuid4(), kind="point", name="x", footprint={}, **kept._asdict())
    session.add(dataset)
    session.flush()
    found = session.scalar(select(Dataset.id).where(Dataset.id == dataset.id, overlapping(wanted)))
    longitudes = {longitude for longitude, _ in places(kept)} & {longitude for longitude, _ in places(wanted)}
    latitudes = kept.south <= wanted.north and kept.north >= wanted.south
    assert (found is not None) == (bool(longitudes) and latitudes)


@given(st.lists(st.tuples(degrees, st.integers(0, 60), st.integers(-90, 90)), min_size=1, max_size=8))
def test_the_smallest_box_contains_all_and_is_the_narrowest(given_boxes: list[tuple[int, int, int]]):
    rows = np.array([[west, south, west + width, south] for west, width, south in given_boxes], float)
    found = smallest_box(rows)
    covered = {longitude for longitude, _ in places(found._replace(south=0, north=0))}
    needed = [{(west + step + 180) % 360 for step in range(width + 1)} for west, width, _ in given_boxes]
    assert set().union(*needed) <= covered
    width = found.unwrapped_east - found.west

    def covers(west: int, wide: float) -> bool:
        return all((start - west) % 360 + length <= wide for start, length, _ in given_boxes)

    narrowest = min((wide for west, _, _ in given_boxes for wide in range(361) if covers(west, wide)), default=360)
    assert width == min(narrowest, 360)


@given(st.floats(-1000, 1000), st.floats(0, 1000), st.floats(-90, 89), st.floats(0, 1))
def test_normalizes_any_longitudes_to_a_box_on_the_globe(west: float, width: float, south: float, height: float):
    box = box_around(west, south, west + width, south + height)
    assert -180 <= box.west <= 180
    assert -180 <= box.east <= 180
    if width < 359:
        assert (box.east - box.west - width + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)
        assert (box.west - west + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


@given(boxes)
def test_splits_an_outline_at_the_antimeridian(anyhow: Box):
    box = box_around(anyhow.west, anyhow.south, anyhow.unwrapped_east, anyhow.north)
    outline = shape(box.outline)
    assert -180 <= outline.bounds[0] <= outline.bounds[2] <= 180
    if box.west != box.east and box.south != box.north:
        assert outline.is_valid
        expected = (box.unwrapped_east - box.west) * (box.north - box.south)
        assert outline.area == pytest.approx(expected)
        middle = (box.west + box.unwrapped_east) / 2
        inside = shapely.Point((middle + 180) % 360 - 180, (box.south + box.north) / 2)
        assert outline.distance(inside) < 1e-9
