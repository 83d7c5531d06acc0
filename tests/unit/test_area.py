"""Areas: straight in degrees, continuous across the antimeridian, refused where a CRS tears them."""

import numpy as np
import pytest
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import area_of, crosses_antimeridian, inside, projected_area
from mosaic_worker.geometry.grid import Grid
from rasterio.warp import transform
from shapely.geometry import box

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
    assert crosses_antimeridian(area)


def test_a_polygon_cut_at_the_antimeridian_is_one_again():
    area = area_of(None, FIJI_IN_TWO_PARTS)
    assert area.bounds == (179.5, -17.5, 180.5, -16.5)
    assert area.area == pytest.approx(1.0)


def test_an_area_on_one_side_is_left_alone():
    assert area_of([-170, 10, -160, 20], None).bounds == (-170, 10, -160, 20)
    assert not crosses_antimeridian(area_of([170, 10, 180, 20], None))


def test_across_the_antimeridian_utm_gives_one_continuous_area():
    area = projected_area(area_of(FIJI, None), "EPSG:32760")
    west, _, east, _ = area.bounds
    assert 100_000 < east - west < 110_000


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_across_the_antimeridian_a_crs_that_is_cut_there_is_refused(crs):
    with pytest.raises(RequestError, match=f"crosses the antimeridian, where {crs} is cut; choose another CRS"):
        projected_area(area_of(FIJI, None), crs)


def test_edges_that_are_straight_in_degrees_bend_in_the_crs():
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
def test_a_polygon_without_a_clear_inside_is_refused(ring, sentence):
    with pytest.raises(RequestError, match=f"spec.area.geometry: {sentence}"):
        area_of(None, {"type": "Polygon", "coordinates": [ring]})


def test_pixels_are_inside_by_their_centres():
    grid = Grid("EPSG:32633", 0, 40, 10, 10, 4, 4)
    found = inside(box(4, 0, 26, 40), grid)
    assert found.tolist() == [[True, True, True, False]] * 4
