"""Converts any GeoJSON to the geometry for `spec.area`."""

from collections.abc import Iterator, Mapping
from typing import Any

from mosaic_crds.area import GEOJSON_COLLECTIONS, GEOJSON_TYPES, OTHER_CRS, is_wgs84
from mosaic_crds.errors import RequestError


def area_geometry(document: object, where: str) -> dict[str, Any]:
    """The Polygon or MultiPolygon of a GeoJSON object: a geometry, a Feature, or a collection of them.

    Several polygons become a MultiPolygon. Heights are removed. The contract checks the rings.

    Args:
        document: parsed JSON.
        where: its field or file, for messages.

    Raises:
        RequestError: it is not GeoJSON, has no polygons, has other geometries too, or is not in WGS 84.
    """
    polygons = list(_polygons(document, where))
    if not polygons:
        raise RequestError(f"{where}: no feature has a geometry; an area needs a Polygon or MultiPolygon", where)
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def without_heights(geometry: Mapping[str, Any]) -> dict[str, Any]:
    """The type and the coordinates of a geometry, without heights, which only some positions may have."""
    return {"type": geometry["type"], "coordinates": _flat(geometry["coordinates"])}


def with_plain_area(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Convert the area of a spec to the geometry of the contract, if it is another GeoJSON object.

    Raises:
        RequestError: see `area_geometry`.
    """
    area = spec.get("area") if isinstance(spec, Mapping) else None
    if not isinstance(area, Mapping):
        return spec
    if area.get("type") in GEOJSON_TYPES:
        return {**spec, "area": {"geometry": area_geometry(area, "spec.area")}}
    geometry = area.get("geometry")
    if isinstance(geometry, Mapping) and geometry.get("type") in GEOJSON_COLLECTIONS:
        return {**spec, "area": {**area, "geometry": area_geometry(geometry, "spec.area.geometry")}}
    return spec


def other_crs(document: object) -> str | None:
    """The CRS in the old GeoJSON member `crs`, if it is not WGS 84."""
    named = document.get("crs") if isinstance(document, Mapping) else None
    if named is None:
        return None
    properties = named.get("properties") if isinstance(named, Mapping) else None
    name = properties.get("name") if isinstance(properties, Mapping) else None
    if not isinstance(name, str):
        return "not a name"
    return None if is_wgs84(name) else name[:80]


def _polygons(document: object, where: str) -> Iterator[list[Any]]:
    """The coordinates of all polygons in a GeoJSON object."""
    kind = document.get("type") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or kind not in GEOJSON_TYPES:
        raise RequestError(
            f"{where}: not valid GeoJSON; give a Polygon, MultiPolygon, Feature or FeatureCollection", where
        )
    found = other_crs(document)
    if found is not None:
        raise RequestError(f"{where}: its crs is {found}; {OTHER_CRS}", where)
    if kind == "Polygon":
        yield _flat(document.get("coordinates"))
    elif kind == "MultiPolygon":
        yield from _listed(_flat(document.get("coordinates")), "coordinates", where)
    elif kind == "Feature":
        if document.get("geometry") is not None:
            yield from _polygons(document["geometry"], where)
    elif kind in GEOJSON_COLLECTIONS:
        name = "features" if kind == "FeatureCollection" else "geometries"
        for part in _listed(document.get(name), name, where):
            yield from _polygons(part, where)
    else:
        raise RequestError(f"{where}: it has a {kind}, which has no area; give only polygons", where)


def _listed(found: object, name: str, where: str) -> list[Any]:
    if not isinstance(found, list):
        raise RequestError(f"{where}: {name} is not a list", where)
    return found


def _flat(coordinates: Any) -> Any:
    """Coordinates without heights."""
    if not isinstance(coordinates, list):
        return coordinates
    if coordinates and not isinstance(coordinates[0], list):
        return coordinates[:2] if len(coordinates) > 2 else coordinates
    return [_flat(part) for part in coordinates]
