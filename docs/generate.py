"""Write the reference pages from the code, and the README of the chart from its values: `make generate`.

--check fails if one is out of date: `make verify`.
"""

import difflib
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from chart_readme import chart_page
from click.testing import CliRunner
from colour_page import colour_page
from mosaic_api.app import create_app
from mosaic_api.settings import Settings
from mosaic_crds.composite import METHODS
from mosaic_crds.crd import UNSEEN
from mosaic_crds.docstrings import field_docstrings
from mosaic_crds.lifecycle import Condition, StatusWriter, Trouble, conditions_of
from mosaic_crds.names import API_VERSION
from mosaic_crds.request import MosaicRequest
from mosaic_crds.schema import RULES
from mosaic_crds.source import BandFile, MaskFile
from mosaic_worker.cli import mosaic
from pydantic import create_model
from tables import cell, row, table

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
SAMPLES = ROOT / "crds" / "samples"
CHART = ROOT / "charts" / "mosaic-operator"
NOTE = "<!-- Generated from the code by `make generate`. Do not edit. -->\n"
Schema = dict[str, Any]


def bounds(schema: Schema) -> str:
    """What values of a schema are limited to, such as `at least 1`."""
    lower, upper = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    limits = [f"≥ {lower}"] if lower is not None else []
    limits += [f"≤ {upper}"] if upper is not None else []
    limits += [f"at most {schema['maxItems']}"] if "maxItems" in schema else []
    limits += [f"at most {schema['maxLength']} characters"] if "maxLength" in schema else []
    return f" ({', '.join(limits)})" if limits else ""


def kind(schema: Schema, names: dict[str, str]) -> str:  # noqa: PLR0911
    """The type of a schema, with a link to each schema that has a section of its own."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in names:
            return name
        return f"[{name}](#{slug(names[name])})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            parts = [kind(each, names) for each in schema[several] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(parts))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), names)}{bounds(schema)}"
    if schema.get("type") == "object" and ("additionalProperties" in schema or "patternProperties" in schema):
        values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")][0]
        return f"map to {kind(values, names)}" if isinstance(values, dict) else "object"
    return str(schema.get("format") or schema.get("type", "any")) + bounds(schema)


def slug(heading: str) -> str:
    """The anchor of a heading, as forges and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def default(schema: Schema, required: bool) -> str:
    """The default of a field, or that it is required."""
    if required:
        return "required"
    value = schema.get("default")
    if value in (None, [], "") or isinstance(value, dict):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def fields(schema: Schema, names: dict[str, str]) -> str:
    """The table of the fields of an object."""
    if not schema.get("properties"):
        return "\n" + kind(schema, {}) + "\n"
    text = table("field", "type", "default", "description")
    for name, field in schema["properties"].items():
        shown = kind(field, names)
        said = field.get("description", "")
        text += row(f"`{name}`", shown, default(field, name in schema.get("required", ())), said)
    return text


def rules_of(schema: Schema) -> Iterator[Schema]:
    """The rules of a value, of its items, or of each of its forms."""
    yield from schema.get(RULES, ())
    for part in [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]:
        yield from rules_of(part)


def rules(schema: Schema) -> str:
    """The rules that the API server and the command check beside the types."""
    found = [(rule.get("fieldPath", "").lstrip("."), rule["message"]) for rule in schema.get(RULES, ())]
    for name, field in schema.get("properties", {}).items():
        found += [(name, rule["message"]) for rule in rules_of(field)]
    lines = [f"- {f'`{field}`: ' if field else ''}{message}\n" for field, message in dict.fromkeys(found)]
    return "\nRules:\n\n" + "".join(lines) if lines else ""


def paths(schema: Schema, path: str, definitions: dict[str, Schema], names: dict[str, str]) -> None:
    """Name each definition by the path at which it is first used."""
    for name, field in schema.get("properties", {}).items():
        for reference in re.findall(r"'#/\$defs/(\w+)'", str(field)):
            definition = definitions[reference]
            if reference not in names:
                names[reference] = f"{path}.{name}" + ("[]" if "'items': {'$ref'" in str(field) else "")
                paths(definition, names[reference], definitions, names)


def definitions_of(schema: Schema) -> dict[str, Schema]:
    """The definitions of a MosaicRequest. Files that may be a string alone have no fields in its schema, but here."""
    found: dict[str, Schema] = schema["$defs"]
    for model in (BandFile, MaskFile):
        fields: Any = {name: (field.rebuild_annotation(), field) for name, field in model.model_fields.items()}
        found[model.__name__] |= {"properties": create_model("Plain", **fields).model_json_schema()["properties"]}
        for name, text in field_docstrings(model).items():
            if name in fields:
                found[model.__name__]["properties"][name]["description"] = text
        found[model.__name__]["required"] = [name for name, (_, field) in fields.items() if field.is_required()]
    return found


def members(schema: Schema) -> str:
    """The members of an enumeration, from the sentences of its description: `Pending means that …`."""
    parts = re.split(rf"\s*\b(?=(?:{'|'.join(schema['enum'])}) means )", schema.get("description", "").strip())
    return "\n" + "".join("- " + re.sub(r"^(\w+) means", r"**\1** means", cell(part)) + "\n" for part in parts if part)


def methods() -> str:
    """The table of the composite methods."""
    text = "\n### Composite methods\n" + table("method", "name", "value of a pixel", "takes whole scenes")
    for name, info in METHODS.items():
        text += row(f"`{name}`", info.title, info.description, "yes" if info.takes_scenes else "")
    return text


def statuses() -> Iterator[tuple[str, Schema]]:
    """A status in each phase, as the operator and the executors write it."""
    plan = dict.fromkeys(("tiles", "ranges", "scenes"), 1)
    failed = Trouble("OutOfMemory", "")

    def after(*steps: Callable[[StatusWriter], None]) -> Schema:
        writer = StatusWriter({}, datetime.now(UTC))
        for step in steps:
            step(writer)
        return writer.status

    def planned(writer: StatusWriter) -> None:
        writer.accept()
        writer.plan(plan)
        writer.count(0, 1)

    def computed(writer: StatusWriter) -> None:
        planned(writer)
        writer.computed(1)

    yield "none: not seen by an operator", {"conditions": [UNSEEN]}
    yield "Pending", after(StatusWriter.accept, lambda writer: writer.wait(""))
    yield "Planning", after(StatusWriter.accept, StatusWriter.planning)
    yield "Running", after(planned, StatusWriter.computing)
    yield "Finalizing", after(computed, StatusWriter.finalizing)
    yield "Suspended, for example with a plan", after(planned, StatusWriter.suspend)
    yield "Succeeded", after(computed, lambda writer: writer.publish({"item": ""}))
    yield "Failed, because it is invalid", after(lambda writer: writer.reject(""))
    yield "Failed, for example while tiles are computed", after(planned, lambda writer: writer.fail(failed))
    yield "Cancelled, for example with a plan", after(planned, StatusWriter.cancel)


def phases_and_conditions() -> str:
    """The table of conditions by phase."""
    text = (
        "\n## Phases and conditions\n\n"
        "The status of each condition with its reason. [Wait for requests](../operations/gitops.md) shows how kubectl, "
        "Flux and Argo CD use them.\n"
    )
    text += table("phase", *Condition)
    for name, status in statuses():
        found = conditions_of(status)
        cells = [found.get(each, {"status": "", "reason": ""}) for each in Condition]
        text += row(name, *(f"{cell['status']} {cell['reason']}" for cell in cells))
    return text


def request_page() -> str:
    """The reference of a MosaicRequest, with the samples."""
    schema = MosaicRequest.model_json_schema(by_alias=True)
    definitions = definitions_of(schema)
    names = {"MosaicRequestSpec": "spec", "MosaicRequestStatus": "status"}
    for name, path in list(names.items()):
        paths(definitions[name], path, definitions, names)
    text = NOTE + (
        "\n# MosaicRequest\n\n"
        f"Every field of `{API_VERSION}`, kind MosaicRequest. The CustomResourceDefinition is\n"
        "[crds/mosaicrequest.yaml](../../crds/mosaicrequest.yaml). After a request is created, only\n"
        "`execution.parallelism`, `execution.suspend` and `execution.cancel` can be changed.\n"
    )
    ordered = sorted(names, key=lambda name: (names[name].startswith("status"), list(names).index(name)))
    for name in ordered:
        definition = definitions[name]
        text += f"\n## {names[name]}\n"
        if "enum" in definition:
            text += members(definition)
        else:
            text += f"\n{definition.get('description', '')}\n{fields(definition, names)}"
            text += rules(definition) if names[name].startswith("spec") else ""
        if name == "Composite":
            text += methods()
        if name == "Condition":
            text += phases_and_conditions()
    text += "\n## Examples\n"
    for sample in sorted(SAMPLES.glob("*.yaml")):
        text += f"\n### {sample.name}\n\n```yaml\n{sample.read_text().strip()}\n```\n"
    return text


def commands(command: click.Command, path: str) -> Iterator[str]:
    """The full names of a command and of all below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from commands(child, f"{path} {name}")


def command_page() -> str:
    """The reference of the command `mosaic`: what --help prints."""
    text = NOTE + "\n# Command line\n\nThe help of each command, as `--help` prints it.\n"
    for path in commands(mosaic, "mosaic"):
        arguments = [*path.split()[1:], "--help"]
        shown = CliRunner().invoke(mosaic, arguments, prog_name="mosaic", terminal_width=100).output
        text += f"\n## {path}\n\n```text\n{shown.strip()}\n```\n"
    return text


def operation(method: str, path: str, described: Schema, names: dict[str, str]) -> str:
    """One operation of the REST API."""
    summary = described.get("summary", "")
    text = f"\n### {method.upper()} {path}\n\n{summary}.\n" if summary else f"\n### {method.upper()} {path}\n"
    if described.get("description"):
        text += f"\n{described['description']}\n"
    if described.get("parameters"):
        text += table("parameter", "in", "type", "default", "description")
        for each in described["parameters"]:
            shape, required = each["schema"], each.get("required", False)
            said = each.get("description", "")
            text += row(f"`{each['name']}`", each["in"], kind(shape, names), default(shape, required), said)
    for media, content in described.get("requestBody", {}).get("content", {}).items():
        text += f"\nBody (`{media}`): {kind(content.get('schema', {}), names)}\n"
    answers = []
    for status, response in described["responses"].items():
        shown = [
            f"`{media}` {kind(content['schema'], names)}" if content.get("schema") else f"`{media}`"
            for media, content in response.get("content", {}).items()
        ]
        if status.startswith("2"):
            answers.append(f"{status} {'; '.join(shown)}".strip())
    return text + f"\nResponse: {', '.join(answers)}\n"


def rest_page() -> str:
    """The reference of the REST API."""
    document = create_app(Settings("postgresql+psycopg2://docs@localhost/docs", "file:///docs")).openapi()
    names = {name: name for name in sorted(document["components"]["schemas"])}
    text = NOTE + (
        "\n# REST API\n\n"
        "Every operation of the server, from its OpenAPI document. A running server has the document at\n"
        "`/api/v1/openapi.json` and an interactive form of this page at `/api/docs`. Send a token as\n"
        "`Authorization: Bearer TOKEN` ([authentication](../operations/authentication.md)).\n\n"
        "Errors are [problem details](https://www.rfc-editor.org/rfc/rfc9457) (`application/problem+json`, schema\n"
        "[Problem](#problem)). Any operation can return 4xx, and 503 with `Retry-After` when the database, the store\n"
        "or another server does not answer.\n\n"
        "Create a request, look at its status, and download the GeoTIFF:\n\n"
        "```bash\n"
        'server=https://mosaics.example.org/api/v1 auth="Authorization: Bearer $MOSAIC_TOKEN"\n'
        'curl -H "$auth" --json \'{"name": "ndvi", "spec": {…}}\' $server/requests  # returns it with its id\n'
        'curl -H "$auth" $server/requests/$id\n'
        'curl -H "$auth" --output ndvi.tif $server/requests/$id/files/cog\n'
        "```\n"
    )
    group = None
    for path, operations in document["paths"].items():
        for method, described in operations.items():
            if described["tags"][0] != group:
                group = described["tags"][0]
                text += f"\n## {group.capitalize()}\n"
            text += operation(method, path, described, names)
    text += "\n## Schemas\n"
    for name in names:
        schema = document["components"]["schemas"][name]
        described = schema.get("description", "")
        text += f"\n### {name}\n" + (f"\n{described}\n" if described else "") + fields(schema, names)
    return text


PAGES = {
    REFERENCE / "mosaicrequest.md": request_page,
    REFERENCE / "cli.md": command_page,
    REFERENCE / "rest-api.md": rest_page,
    REFERENCE / "colours.md": lambda: NOTE + colour_page(),
    CHART / "README.md": lambda: chart_page(CHART),
}


def main() -> int:
    """Write the pages, or compare them."""
    outdated = False
    for file, page in PAGES.items():
        name, text = file.relative_to(ROOT), page().rstrip() + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            outdated = True
            old = file.read_text().splitlines() if file.exists() else []
            difference = difflib.unified_diff(old, text.splitlines(), str(name), "generated", "", "", 0, "")
            sys.stdout.write("\n".join([*list(difference)[:40], ""]))
    if outdated:
        sys.stdout.write("generated pages are out of date: run make generate and commit them\n")
    return int(outdated)


if __name__ == "__main__":
    sys.exit(main())
