"""The CustomResourceDefinition agrees with the models, within the limits of a structural schema."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from mosaic_crds.crd import custom_resource_definition
from mosaic_crds.validation import load_request

from support.contract_table import CASES

CRDS = Path(__file__).parents[3] / "crds"
SCHEMA = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for kind in ("items", "additionalProperties"):
        if kind in schema:
            yield from nodes(schema[kind], f"{path}[]")


NODES = dict(nodes(SCHEMA))
UNTYPED = {
    ".spec.area.geometry.coordinates[]",
    ".spec.minus.files.scenes[].mask",
    ".spec.source.files.scenes[].mask",
}


def as_draft_7(schema: Any) -> Any:
    """The schema with exclusive limits in the form of JSON Schema instead of OpenAPI's flags."""
    if isinstance(schema, list):
        return [as_draft_7(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: as_draft_7(value) for key, value in schema.items()}
    if found.get("exclusiveMinimum") is True:
        found["exclusiveMinimum"] = found.pop("minimum")
    return found


def test_the_rendered_file_is_up_to_date():
    printed = subprocess.run([sys.executable, "-m", "mosaic_crds"], capture_output=True, text=True, check=True).stdout
    assert (CRDS / "mosaicrequest.yaml").read_text() == printed
    assert yaml.safe_load(printed) == custom_resource_definition()


def test_every_node_has_a_type_unless_it_allows_several():
    untyped = {path for path, node in NODES.items() if "type" not in node}
    assert untyped == UNTYPED
    assert all(NODES[path]["x-kubernetes-preserve-unknown-fields"] for path in untyped)


@pytest.mark.parametrize("word", ["pattern", "oneOf", "anyOf", "allOf", "not"])
def test_uses_no_keyword_whose_message_shows_the_schema(word):
    assert not [path for path, node in NODES.items() if word in node]


@pytest.mark.parametrize("word", ["$ref", "const", "prefixItems", "patternProperties", "title", "$defs"])
def test_uses_no_keyword_that_a_structural_schema_forbids(word):
    assert not [path for path, node in NODES.items() if word in node]


def test_every_list_map_and_string_of_the_spec_has_a_limit():
    limits = {"array": ("maxItems",), "string": ("maxLength", "enum")}
    for path, node in NODES.items():
        if path.startswith((".spec", ".status")) and node.get("format") != "date-time":
            wanted = limits.get(node.get("type"), ("maxProperties",) if "additionalProperties" in node else ())
            assert not wanted or any(limit in node for limit in wanted), path


def test_every_field_is_described():
    named = [path for path in NODES if path.startswith((".spec", ".status")) and not path.endswith("[]")]
    assert [path for path in named if not NODES[path].get("description")] == []


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if not case.server])
def test_the_schema_accepts_what_the_server_accepts(case):
    jsonschema.Draft7Validator(as_draft_7(SCHEMA)).validate(case.request)


def test_the_defaults_are_those_of_the_models():
    described = {name: field["default"] for name, field in NODES[".spec"]["properties"].items() if "default" in field}
    assert set(described) == {"composite", "grid", "output", "execution"}
    spec = load_request(CASES[0].request).spec
    for name, default in described.items():
        assert getattr(spec, name).model_dump(mode="json", by_alias=True, exclude_none=True) == default


def test_the_spec_is_immutable_except_for_three_fields():
    def guarded(path: str) -> set[str]:
        rules = NODES[path]["x-kubernetes-validations"]
        return {
            rule["fieldPath"][1:]
            for rule in rules
            if rule["rule"].startswith("has(self.") and "oldSelf" in rule["rule"]
        }

    assert guarded(".spec") == set(NODES[".spec"]["properties"]) - {"execution"}
    changeable = {"parallelism", "suspend", "cancel"}
    assert guarded(".spec.execution") == set(NODES[".spec.execution"]["properties"]) - changeable


def test_kubectl_shows_the_progress_of_a_request():
    columns = custom_resource_definition()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [(column["name"], column["priority"]) for column in columns] == [
        ("Phase", 0),
        ("Progress", 0),
        ("Ranges", 0),
        ("Age", 0),
        ("Message", 1),
    ]
    for column in columns[:3]:
        assert column["jsonPath"] in NODES
