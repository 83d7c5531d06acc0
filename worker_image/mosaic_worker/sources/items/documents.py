"""Documents that hold STAC Items: one, an ItemCollection, or one in each line. And why a document holds none."""

from collections.abc import Iterator
from typing import Any

from mosaic_crds.json_input import parse_json
from mosaic_crds.times import moment

MOST_SHOWN = 40
"""Characters of a value in a message."""
_BLANK = " \t\r\n\x1e"
"""Around a text in a sequence of them (RFC 8142)."""
_GEOMETRIES = {
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
}  # fmt: skip


def documents_in(text: str, name: str) -> list[tuple[str, Any]]:
    """What a text holds that may be Items: the text, the features of a FeatureCollection, or each line of several.

    Args:
        text: JSON, or a JSON object in each line.
        name: how the document is called in messages.

    Returns:
        the name of each value for messages, and the value.

    Raises:
        RequestError: it is no JSON.
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
    """Whether a value, read from JSON, is meant to be an Item, and no other GeoJSON."""
    return isinstance(document, dict) and document.get("type") == "Feature" and "stac_version" in document


def why_no_item(document: Any) -> str:
    """What keeps a value from being a STAC Item: the first fault that is found, with the name of its field."""
    if not isinstance(document, dict):
        return f"it is {_kind(document)}"
    return next(_faults(document), "its fields are not those of one")


def _faults(document: dict[str, Any]) -> Iterator[str]:
    kind, version, properties = (document.get(name) for name in ("type", "stac_version", "properties"))
    if kind in {"Collection", "Catalog"}:
        yield f"it is a STAC {kind}; give one of its Items"
    elif kind == "FeatureCollection":
        yield "it is a FeatureCollection without features, or in a place where one Item belongs"
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
                yield f"links[{number}] is no object with rel and href"
    extensions = document.get("stac_extensions")
    if extensions is not None and not (isinstance(extensions, list) and all(isinstance(e, str) for e in extensions)):
        yield "stac_extensions is no list of texts"


def _not(field: str, value: object, wanted: str) -> str:
    if value is None:
        return f"{field} is missing; it must be {wanted}"
    shown = _kind(value) if isinstance(value, dict | list) else repr(value)[:MOST_SHOWN]
    return f"{field} is {shown}; it must be {wanted}"


def _kind(value: object) -> str:
    """What a value of JSON is called."""
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
