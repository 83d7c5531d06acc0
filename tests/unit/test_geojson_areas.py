"""Areas in common forms of GeoJSON: features and collections, several polygons, heights, obsolete members."""

from typing import Any

import pytest
import shapely
from mosaic_crds.errors import RequestError
from mosaic_worker.geometry.area import requested_area
from mosaic_worker.geometry.geojson import area_geometry, with_plain_area

from support.scenes.pipeline import request_of

LEFT = [[15, 45], [16, 45], [16, 46], [15, 46], [15, 45]]
RIGHT = [[16, 45], [17, 45], [17, 46], [16, 46], [16, 45]]
FAR = [[20, 45], [21, 45], [21, 46], [20, 46], [20, 45]]
HOLE = [[15.2, 45.2], [15.4, 45.2], [15.4, 45.4], [15.2, 45.2]]
CATALOGUE = {"stac": {"url": "https://example.org", "collection": "c", "datetime": "2024-07-01"}}
REST = {"source": CATALOGUE, "product": {"index": "NDVI"}}


def polygon(*rings: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings), **members}


def feature(geometry: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"name": "a"}, "geometry": geometry, **members}


def collection(*geometries: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [feature(geometry) for geometry in geometries], **members}


def crs(name: str) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


@pytest.mark.parametrize(
    ("document", "wkt"),
    [
        (polygon(LEFT), "POLYGON ((15 45, 16 45, 16 46, 15 46, 15 45))"),
        (feature(polygon(LEFT)), "POLYGON ((15 45, 16 45, 16 46, 15 46, 15 45))"),
        (feature(polygon(LEFT, HOLE), id=7, bbox=[15, 45, 16, 46]), shapely.Polygon(LEFT, [HOLE]).wkt),
        (collection(polygon(LEFT)), "POLYGON ((15 45, 16 45, 16 46, 15 46, 15 45))"),
        (collection(polygon(LEFT), None), "POLYGON ((15 45, 16 45, 16 46, 15 46, 15 45))"),
        (collection(polygon(LEFT), polygon(FAR)), shapely.MultiPolygon([(LEFT, []), (FAR, [])]).wkt),
        (
            collection({"type": "MultiPolygon", "coordinates": [[LEFT], [FAR]]}),
            shapely.MultiPolygon([(LEFT, []), (FAR, [])]).wkt,
        ),
        ({"type": "GeometryCollection", "geometries": [polygon(LEFT)]}, shapely.Polygon(LEFT).wkt),
        (collection(polygon(LEFT), crs=crs("urn:ogc:def:crs:OGC:1.3:CRS84")), shapely.Polygon(LEFT).wkt),
        (feature(polygon(LEFT, crs=crs("EPSG:4326"))), shapely.Polygon(LEFT).wkt),
        (polygon([[x, y, 700] for x, y in LEFT]), shapely.Polygon(LEFT).wkt),
    ],
)
def test_extracts_polygons_from_features_and_collections(document: dict[str, Any], wkt: str):
    geometry = area_geometry(document, "spec.area")
    assert shapely.equals(
        requested_area(request_of(REST | {"area": {"geometry": geometry}}).spec.area), shapely.from_wkt(wkt)
    )


def test_unites_polygons_that_share_an_edge_or_overlap():
    for second in (RIGHT, [[15.5, 45], [17, 45], [17, 46], [15.5, 46], [15.5, 45]]):
        geometry = area_geometry(collection(polygon(LEFT), polygon(second)), "spec.area")
        area = requested_area(request_of(REST | {"area": {"geometry": geometry}}).spec.area)
        assert area.equals(shapely.box(15, 45, 17, 46))


def test_drops_heights_even_if_some_positions_have_none():
    mixed = polygon([[15, 45, 3], [16, 45], [16, 46, 9], [15, 46], [15, 45, 3]])
    area = requested_area(request_of(REST | {"area": {"geometry": mixed}}).spec.area)
    assert area.equals(shapely.box(15, 45, 16, 46))
    assert not area.has_z


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (collection(polygon(LEFT), {"type": "Point", "coordinates": [1, 2]}), "it has a Point, which has no area"),
        (feature({"type": "LineString", "coordinates": LEFT}), "it has a LineString, which has no area"),
        (collection(), "no feature has a geometry"),
        (feature(None), "no feature has a geometry"),
        (collection(polygon(LEFT), crs=crs("EPSG:32633")), "its crs is EPSG:32633; use longitudes and latitudes"),
        (feature(polygon(LEFT, crs=crs("urn:ogc:def:crs:EPSG::3857"))), "its crs is urn:ogc:def:crs:EPSG::3857"),
        ({"type": "FeatureCollection", "features": 5}, "features is not a list"),
        ({"type": "FeatureCollection", "features": ["a"]}, "not valid GeoJSON"),
        ({"type": ["Feature"]}, "not valid GeoJSON"),
        ([polygon(LEFT)], "not valid GeoJSON"),
    ],
)
def test_refuses_geometries_without_an_area(document: Any, sentence: str):
    with pytest.raises(RequestError, match=f"^spec.area: {sentence}"):
        area_geometry(document, "spec.area")


@pytest.mark.parametrize(
    "area", [feature(polygon(LEFT)), {"geometry": feature(polygon(LEFT))}, collection(polygon(LEFT)), polygon(LEFT)]
)
def test_the_rest_api_accepts_any_geojson_object_with_polygons(area: dict[str, Any]):
    assert with_plain_area(REST | {"area": area})["area"] == {"geometry": polygon(LEFT)}


@pytest.mark.parametrize(
    "area", [{"bbox": [15, 45, 16, 46]}, {"geometry": polygon(LEFT)}, {}, None, "Fiji", {"type": {}}]
)
def test_does_not_change_other_areas(area: Any):
    spec = REST | {"area": area}
    assert with_plain_area(spec) == spec


@pytest.mark.parametrize("member", [{"type": "link", "properties": {"href": "crs.prj"}}, {"type": "name"}, "EPSG:4326"])
def test_refuses_a_crs_without_a_name(member: Any):
    with pytest.raises(RequestError, match="its crs is not a name; use longitudes and latitudes in WGS 84"):
        area_geometry(polygon(LEFT, crs=member), "spec.area")
