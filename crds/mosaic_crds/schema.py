"""Converts the JSON schema of a model to a structural schema, which the API server accepts."""

from typing import Any

RULES = "x-kubernetes-validations"
"""The keyword for rules in CEL, which the API server checks."""
_KEPT = (
    "description", "type", "format", "default", "enum", "minLength", "maxLength", "minimum",
    "exclusiveMinimum", "maximum", "exclusiveMaximum", "minItems", "maxItems", "minProperties", "maxProperties",
    "required", "x-kubernetes-preserve-unknown-fields", RULES, "properties", "items",
    "additionalProperties",
)  # fmt: skip
"""The keywords of a structural schema, in a readable order."""


def structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A structural schema of a node of pydantic's JSON schema (2020-12).

    References are expanded. Exclusive limits become the flags of OpenAPI 3.0. "or null" is removed, because it means
    the same as an absent field; so is additionalProperties: false, because kubectl refuses unknown fields. Patterns are
    removed, because the API server would only show them; a rule has the message.

    Raises:
        TypeError: a structural schema cannot express it.
    """
    node = {key: value for key, value in node.items() if not (key == "default" and value is None)}
    if "$ref" in node:
        definition = definitions[node.pop("$ref").rsplit("/", 1)[1]]
        if "enum" in definition and "description" in node:
            node["description"] += " " + definition["description"]
        return structural(definition | node, definitions)
    if "anyOf" in node:
        options = [option for option in node.pop("anyOf") if option != {"type": "null"}]
        if len(options) != 1:
            raise TypeError(f"a structural schema cannot express any of {options}")
        return structural(options[0] | node, definitions)
    if "pattern" in node and RULES not in node:
        raise TypeError(f"a rule with a message must replace the pattern of {node}")
    found = _flags(node) | _contents(node, definitions)
    return {key: found[key] for key in _KEPT if found.get(key) is not None}


def without_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """A value without the fields that equal their default in a structural schema."""
    if isinstance(value, list):
        return [without_defaults(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    found = {key: without_defaults(part, fields.get(key, {})) for key, part in value.items()}
    return {key: part for key, part in found.items() if not _is_default(part, fields.get(key, {}))}


def _is_default(value: Any, schema: dict[str, Any]) -> bool:
    return "default" in schema and value == without_defaults(schema["default"], schema)


def _flags(node: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a node itself."""
    found = dict(node)
    if "const" in node:
        found["enum"] = [node["const"]]
    for side in ("minimum", "maximum"):
        exclusive = "exclusive" + side.title()
        if exclusive in node:
            found |= {side: node[exclusive], exclusive: True}
    if "default" in node:
        found["default"] = _without_nulls(node["default"])
    if "description" in node:
        found["description"] = " ".join(node["description"].split())
    if "type" not in node:
        found["x-kubernetes-preserve-unknown-fields"] = True
    return found


def _contents(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The keywords about fields, items or entries of a node; the server does not check the keys of maps."""
    if "properties" in node:
        fields = {name: structural(field, definitions) for name, field in node["properties"].items()}
        return {"properties": fields, "additionalProperties": None}
    if node.get("type") == "array":
        return {"items": structural(node.get("items") or {}, definitions)}
    if node.get("type") == "object":
        entries = next(iter(node.get("patternProperties", {}).values()), node.get("additionalProperties"))
        known = structural(entries, definitions) if isinstance(entries, dict) else {}
        if "type" in known:
            return {"additionalProperties": known}
        if entries:  # without a type: a rule can only see the map if its entries are not described
            described = f"{node.get('description', '')} {known.get('description', '')}"
            return {
                "description": " ".join(described.split()),
                "x-kubernetes-preserve-unknown-fields": True,
                "additionalProperties": None,
            }
    return {"additionalProperties": None}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return value
