"""The README of the Helm chart: its values with their defaults, from values.yaml, and descriptions, from the schema."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tables import row, table

Schema = dict[str, Any]
NOTE = "<!-- Generated from values.yaml and values.schema.json by `make generate`. Do not edit. -->\n"
SECTION = re.compile(r"^# -- (.*?) -+$", re.MULTILINE)
"""The heading of a section of values.yaml."""
WHOLE = {"resources"}
"""Definitions of the schema that a reader sees as one value."""


def chart_page(folder: Path) -> str:
    """The README of a chart.

    Args:
        folder: the folder with Chart.yaml, values.yaml and values.schema.json.

    Raises:
        KeyError: values.schema.json does not describe a value.
    """
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())
    schema = json.loads((folder / "values.schema.json").read_text())
    name = chart["name"]
    text = NOTE + (
        f"\n# {name}\n\n{chart['description']}\n\n"
        f"    kubectl create namespace mosaics\n"
        f"    helm install {name} charts/{name} --namespace mosaics --wait\n\n"
        f"The chart needs Kubernetes {chart['kubeVersion'].removeprefix('>=').removesuffix('-0')} or later.\n"
        "[On Kubernetes](../../docs/getting-started/kubernetes.md) is the guide, and\n"
        "[Install](../../docs/operations/install.md) explains what you can configure.\n"
        "[values.yaml](values.yaml) has more details. Unknown values are refused.\n"
    )
    _, *sections = SECTION.split((folder / "values.yaml").read_text())
    for title, content in zip(sections[::2], sections[1::2], strict=True):
        text += f"\n## {title}\n" + table("value", "default", "description")
        for path, value, described in _values(yaml.safe_load(content), schema, schema):
            text += row(f"`{path}`", f"`{_default(value)}`", _sentence(described))
    return text


def _values(values: Schema, described: Schema, schema: Schema, path: str = "") -> Iterator[tuple[str, Any, Schema]]:
    """The values below a path, each with its default and its schema."""
    for name, value in values.items():
        found = described["properties"][name]
        reference = found.get("$ref", "").rpartition("/")[2]
        found = schema["definitions"].get(reference, {}) | found
        if value and isinstance(value, dict) and "properties" in found and reference not in WHOLE:
            yield from _values(value, found, schema, f"{path}{name}.")
        else:
            yield f"{path}{name}", value, found


def _default(value: object) -> str:
    """A value as in values.yaml, in one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=math.inf).removesuffix("...\n").strip()


def _sentence(described: Schema) -> str:
    """The description of a value, with the values that are allowed if they are few."""
    sentence: str = described["description"]
    return sentence + (f" One of {', '.join(described['enum'])}." if "enum" in described else "")
