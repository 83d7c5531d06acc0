"""STAC Items in a document: one Item, an ItemCollection, or an Item per line; and why a document is not an Item."""

from collections.abc import Iterator
from typing import Any

from mosaic_crds.json_input import parse_json
from mosaic_crds.times import moment

MOST_SHOWN = 40
"""Characters of a value in a message."""
_BLANK = " \t\r\n\x1e"
"""Separators in a sequence of JSON texts (RFC 8142)."""
_GEOMETRIES = {
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
}  # fmt: skip


def documents_in(text: str, name: str) -> list[tuple[str, Any]]:
    """The possible Items in a text: the text itself, the features of a FeatureCollection, or one per line.

    Args:
        text: JSON, or a JSON object per line.
        name: the name of the document in messages.

    Returns:
        The name of each value in messages, and the value.

    Raises:
        RequestError: it is not JSON.
    """
    text = text.removeprefix("\ufeff")
    lines = [(number, line.strip(_BLANK)) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line]
    if len(lines) > 1 and all(line[0] + line[-1] == "{}" for _, line in lines[:2]):
        return [(f"{name}, line {number}", parse_json(line, f"{name}, line {number}")) for number, line in lines]
    document = parse_json(text.strip("\x1e"), name)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        return [(name, document)]
    named = [f"{name}, features[{number}]" if len(features) > 1 else name for number in range(len(features))]
    return list(zip(named, features, strict=True))


def looks_like_item(document: Any) -> bool:
    """Whether a JSON value is meant as an Item, not as other GeoJSON."""
    return isinstance(document, dict) and document.get("type") == "Feature" and "stac_version" in document


def why_no_item(document: Any) -> str:
    """The first reason why a JSON value is not a STAC Item, with the name of the field."""
    if not isinstance(document, dict):
        return f"it is {_kind(document)}"
    return next(_faults(document), "it lacks fields of an Item")


def _faults(document: dict[str, Any]) -> Iterator[str]:
    kind, version, properties = (document.get(name) for name in ("type", "stac_version", "properties"))
    if kind in {"Collection", "Catalog"}:
        yield f"it is a STAC {kind}; give one of its Items"
    elif kind == "FeatureCollection":
        yield "it is a FeatureCollection, and empty or in the place of an Item"
    elif isinstance(kind, str) and kind in _GEOMETRIES:
        yield f"it is a GeoJSON {kind}"
    elif kind != "Feature":
        yield _not("type", kind, '"Feature"')
    if not isinstance(version, str):
        yield _not("stac_version", version, 'a text such as "1.0.0"')
    if not isinstance(properties, dict):
        yield _not("properties", properties, "an object")
    else:
        yield from _time_faults(properties)
    yield from _part_faults(document)


def _time_faults(properties: dict[str, Any]) -> Iterator[str]:
    given = {name: properties.get(name) for name in ("datetime", "start_datetime", "end_datetime")}
    for name, value in given.items():
        if value is not None and not _is_moment(value):
            yield _not(f"properties.{name}", value, "a time such as 2024-07-01T19:03:11Z")
    if given["datetime"] is None and None in (given["start_datetime"], given["end_datetime"]):
        yield "properties.datetime is missing or null, and there are no start_datetime and end_datetime"


def _part_faults(document: dict[str, Any]) -> Iterator[str]:
    assets, links = document.get("assets", {}), document.get("links", [])
    if not isinstance(assets, dict):
        yield _not("assets", assets, "an object")
    else:
        for key, asset in assets.items():
            name = f"assets.{key[:MOST_SHOWN]}"
            if not isinstance(asset, dict):
                yield _not(name, asset, "an object with an href")
            elif not isinstance(asset.get("href"), str):
                yield _not(f"{name}.href", asset.get("href"), "a path or URL")
    if not isinstance(links, list):
        yield _not("links", links, "a list")
    else:
        for number, link in enumerate(links):
            if not isinstance(link, dict) or not all(isinstance(link.get(name), str) for name in ("rel", "href")):
                yield f"links[{number}] is not an object with rel and href"
    extensions = document.get("stac_extensions")
    if extensions is not None and not (isinstance(extensions, list) and all(isinstance(e, str) for e in extensions)):
        yield "stac_extensions is not a list of texts"


def _not(field: str, value: object, wanted: str) -> str:
    if value is None:
        return f"{field} is missing; it must be {wanted}"
    shown = _kind(value) if isinstance(value, dict | list) else repr(value)[:MOST_SHOWN]
    return f"{field} is {shown}; it must be {wanted}"


def _kind(value: object) -> str:
    """What a JSON value is, in words."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"the {'text' if isinstance(value, str) else 'value'} {value!r}"[:MOST_SHOWN]


def _is_moment(value: object) -> bool:
    try:
        moment(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True
