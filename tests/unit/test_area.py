"""Areas: edges are straight in degrees and continuous across the antimeridian; a CRS that cuts the area is refused."""

import math

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import (
    area_of,
    cut_at_antimeridian,
    inside,
    projected_area,
)
from mosaic_worker.geometry.grid import Grid
from rasterio.warp import transform
from shapely.geometry import box, shape

FIJI = [179.5, -17.5, -179.5, -16.5]
FIJI_IN_TWO_PARTS = {
    "type": "MultiPolygon",
    "coordinates": [
        [[[179.5, -17.5], [180, -17.5], [180, -16.5], [179.5, -16.5], [179.5, -17.5]]],
        [[[-180, -17.5], [-179.5, -17.5], [-179.5, -16.5], [-180, -16.5], [-180, -17.5]]],
    ],
}


def test_a_box_whose_west_is_greater_crosses_the_antimeridian():
    area = area_of(FIJI, None)
    assert area.bounds == (179.5, -17.5, 180.5, -16.5)


def test_joins_a_polygon_that_is_cut_at_the_antimeridian():
    area = area_of(None, FIJI_IN_TWO_PARTS)
    assert area.bounds == (179.5, -17.5, 180.5, -16.5)
    assert area.area == pytest.approx(1.0)


def test_does_not_change_an_area_on_one_side():
    assert area_of([-170, 10, -160, 20], None).bounds == (-170, 10, -160, 20)
    assert area_of([170, 10, 180, 20], None).bounds == (170, 10, 180, 20)


def test_an_area_across_the_antimeridian_is_continuous_in_utm():
    area = projected_area(area_of(FIJI, None), "EPSG:32760")
    west, _, east, _ = area.bounds
    assert 100_000 < east - west < 110_000


HALF_WORLD = math.pi * 6378137


@pytest.mark.parametrize(
    ("crs", "middle", "width"), [("EPSG:4326", 180, 1), ("EPSG:3857", HALF_WORLD, HALF_WORLD / 180)]
)
def test_an_area_across_the_antimeridian_is_continuous_in_a_global_crs(crs, middle, width):
    west, _, east, _ = projected_area(area_of(FIJI, None), crs).bounds
    assert (west, east) == (pytest.approx(middle - width / 2), pytest.approx(middle + width / 2))


def test_refuses_a_crs_that_is_discontinuous_within_the_area():
    with pytest.raises(RequestError, match="EPSG:8857 is discontinuous in the area, as at the antimeridian; choose"):
        projected_area(area_of(FIJI, None), "EPSG:8857")


def polygon(*rings: list[tuple[float, float]]) -> dict[str, object]:
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": [[list(place) for place in rings[0]]]}
    return {"type": "MultiPolygon", "coordinates": [[[list(place) for place in ring]] for ring in rings]}


def ring(west: float, east: float, south: float = -10, north: float = 10) -> list[tuple[float, float]]:
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


@pytest.mark.parametrize(
    ("bbox", "geometry"),
    [
        ([170, -10, 190, 10], None),
        ([-190, -10, -170, 10], None),
        ([170, -10, -170, 10], None),
        (None, polygon(ring(170, 190))),
        (None, polygon(ring(-190, -170))),
        (None, polygon(ring(170, 180), ring(-180, -170))),
        (None, polygon(ring(-180, -170), ring(170, 180))),
    ],
)
def test_all_notations_of_an_area_across_the_antimeridian_are_equal(bbox, geometry):
    area = area_of(bbox, geometry)
    assert area.equals(box(170, -10, 190, 10))
    assert cut_at_antimeridian(area).equals(box(170, -10, 180, 10).union(box(-180, -10, -170, 10)))


@pytest.mark.parametrize(
    ("geometry", "bounds"),
    [
        (polygon(ring(-100, 100)), (-100, 100)),
        (polygon(ring(-180, 180, -90, 90)), (-180, 180)),
        (polygon(ring(-179, 179)), (-179, 179)),
        (polygon(ring(-180, 0), ring(0, 180)), (-180, 180)),
        (polygon(ring(-100, -90), ring(90, 100)), (-100, 100)),
        (polygon(ring(-180, -10), ring(10, 180)), (10, 350)),
        (polygon(ring(166, 179), ring(-177, -176)), (166, 184)),  # New Zealand and the Chatham Islands
        (polygon(ring(190, 200)), (-170, -160)),
        (polygon(ring(0, 360)), (0, 360)),
    ],
)
def test_moves_parts_of_a_polygon_without_changing_its_width(geometry, bounds):
    area = area_of(None, geometry)
    assert (area.bounds[0], area.bounds[2]) == bounds
    assert area.area == pytest.approx(shape(geometry).area)


def test_a_polygon_wider_than_half_the_earth_keeps_its_inside():
    ours = projected_area(area_of(None, polygon(ring(-100, 100))), "EPSG:4326")
    grid = Grid("EPSG:4326", -180, 90, 1, 1, 360, 180)
    longitudes, latitudes = np.meshgrid(np.arange(-179.5, 180), np.arange(89.5, -90, -1))
    assert np.array_equal(inside(ours, grid), (np.abs(longitudes) < 100) & (np.abs(latitudes) < 10))


@pytest.mark.parametrize(
    ("geometry", "sentence"),
    [
        (polygon(ring(-200, 200)), "goes around the Earth more than once"),
        (
            polygon([(0, 0), (1, 1), (1, 0), (0, 1), (0, 0)], ring(170, 180), ring(-180, -170)),
            "the polygon is not valid",
        ),
    ],
)
def test_refuses_an_area_that_is_not_on_earth(geometry, sentence):
    with pytest.raises(RequestError, match=sentence):
        area_of(None, geometry)


def test_uses_the_part_of_an_area_that_can_be_projected():
    """A geostationary satellite over longitude 0 sees only points within 81.3 degrees of it."""
    disk = "+proj=geos +h=35785831 +lon_0=0 +sweep=y +datum=WGS84 +units=m"
    left, bottom, right, top = projected_area(area_of([-180, -90, 180, 90], None), disk).bounds
    assert [left, bottom, right, top] == pytest.approx([-5.43e6, -5.41e6, 5.43e6, 5.41e6], rel=0.01)
    with pytest.raises(RequestError, match="the area cannot be projected to"):
        projected_area(area_of([170, -10, 180, 10], None), disk)


def test_the_whole_world_is_clipped_to_the_square_of_web_mercator():
    found = projected_area(area_of([-180, -90, 180, 90], None), "EPSG:3857").bounds
    assert found == pytest.approx((-HALF_WORLD, -HALF_WORLD, HALF_WORLD, HALF_WORLD))


def test_ignores_the_longitude_of_poles():
    """In grads from Paris and on another datum the poles have other coordinates, with arbitrary longitudes."""
    west, _, east, _ = projected_area(area_of([-180, -90, 180, 90], None), "EPSG:4807").bounds
    assert east - west == pytest.approx(400, abs=0.1)


def test_edges_that_are_straight_in_degrees_are_curved_in_the_crs():
    area = projected_area(box(10, 60, 20, 61), "EPSG:32633")
    xs, ys = transform("EPSG:4326", "EPSG:32633", np.linspace(10, 20, 50), [61] * 50)
    assert area.buffer(2).contains(box(xs[25] - 1, ys[25] - 1, xs[25] + 1, ys[25] + 1))
    assert not area.contains(box(xs[25] - 500, ys[25] + 50, xs[25] + 500, ys[25] + 60))


@pytest.mark.parametrize(
    ("ring", "sentence"),
    [
        ([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]], "the polygon is not valid: Self-intersection"),
        ([[0, 0], [1, 1], [2, 2], [0, 0]], "the polygon"),
    ],
)
def test_refuses_a_polygon_without_a_unique_interior(ring, sentence):
    with pytest.raises(RequestError, match=f"spec.area.geometry: {sentence}"):
        area_of(None, {"type": "Polygon", "coordinates": [ring]})


def test_a_pixel_is_inside_if_its_centre_is():
    grid = Grid("EPSG:32633", 0, 40, 10, 10, 4, 4)
    found = inside(box(4, 0, 26, 40), grid)
    assert found.tolist() == [[True, True, True, False]] * 4
