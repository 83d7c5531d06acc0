"""Validates a document or its text as a MosaicRequest; an error is one sentence."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import check_json
from mosaic_crds.reading import LARGEST_REQUEST, read_document
from mosaic_crds.request import MosaicRequest
from mosaic_crds.spec import Execution
from mosaic_crds.spelling import did_you_mean

_REQUIREMENTS = {
    "greater_than": "it must be greater than {gt:g}",
    "greater_than_equal": "it must be at least {ge:g}",
    "less_than_equal": "it must be at most {le:g}",
    "too_short": "give at least {min_length}",
    "too_long": "give at most {max_length}",
    "string_too_short": "it must have at least {min_length} character",
    "string_too_long": "it must have at most {max_length} characters",
    "finite_number": "it must be a finite number",
    "int_type": "it must be an integer",
    "float_type": "it must be a number",
    "string_type": "it must be text",
    "bool_type": "it must be true or false",
    "list_type": "it must be a list",
    "dict_type": "it must be a mapping",
    "model_type": "it must be a mapping of fields",
    "invalid_key": "put the name of the field in quotes",
}
"""What to do, by the error types of pydantic."""


def parse_request(text: str, where: str) -> MosaicRequest:
    """The request in a YAML or JSON text.

    Args:
        text: the text.
        where: the name of its file or variable, for messages.

    Raises:
        RequestError: it is not valid.
    """
    return load_request(read_document(text, where), where)


def load_request(document: object, where: str = "the request") -> MosaicRequest:
    """The request in a parsed document.

    Raises:
        RequestError: it is not valid.
    """
    check_json(document, where)
    try:
        request = MosaicRequest.model_validate(document)
    except ValidationError as error:
        told = min(error.errors(include_url=False), key=_rank)
        raise RequestError(f"{where}: {_sentence(told)}", _field(told)) from None
    if isinstance(document, Mapping):
        expect_size(document["spec"], where)
    return request


def expect_size(spec: object, where: str = "the request") -> None:
    """Check the size of a whole spec.

    Raises:
        RequestError: it is too large.
    """
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), default=str)
    size = len(text.encode(errors="replace"))
    if size > LARGEST_REQUEST:
        raise RequestError(
            f"{where}: spec has {size:,} bytes as JSON, and the limit is {LARGEST_REQUEST:,} (1 MiB); "
            "list fewer scenes or shorter URLs",
            "spec",
        )


def load_execution(spec: object) -> Execution:
    """Validate spec.execution alone; the rest of the spec can be missing.

    Raises:
        RequestError: its execution is not valid.
    """
    given = spec.get("execution") if isinstance(spec, Mapping) else None
    try:
        return Execution.model_validate({} if given is None else given)
    except ValidationError as error:
        told = min(error.errors(include_url=False), key=_rank)
        told["loc"] = ("spec", "execution", *told["loc"])
        raise RequestError(f"the request: {_sentence(told)}", _field(told)) from None


def _rank(error: ErrorDetails) -> int:
    """Lowest for the error to report: another kind of object explains all others, an unknown field a missing one."""
    if error["loc"] in {("apiVersion",), ("kind",)} and error["type"] != "missing":
        return 0
    return 1 if error["type"] == "extra_forbidden" else 2


def _field(error: ErrorDetails) -> str:
    """The path of the wrong field."""
    named = error.get("ctx", {}).get("field") if error["type"] == "rule" else None
    return _path((*error["loc"], named) if named else error["loc"])


def _sentence(error: ErrorDetails) -> str:
    location, kind, given = error["loc"], error["type"], error["input"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields_at(location[:-1])
        near = did_you_mean(str(location[-1]), known)
        instead = f"use {_listed(known, 'or')}" if known else "no fields are allowed here"
        return f"{_path(location)} is not a field{near}; {instead}"
    if kind == "missing":
        return f"{_path(location)} is missing"
    if location[-1:] == ("[key]",):
        return f"{_path(location[:-2])} has an entry {_shown(given)}; {context['message']}"
    for step in context.get("field", "").split(".") if kind == "rule" and context.get("field") else ():
        location, given = (*location, step), given.get(step) if isinstance(given, Mapping) else None
    if kind == "rule" and context.get("field") and given is None:
        return f"{_path(location)} is missing; {context['message']}"
    told = f"{_path(location)} {_printable(context.get('found') or '') or f'is {_shown(given)}'}"
    if kind in {"literal_error", "enum"}:
        allowed = str(context["expected"]).replace("' or '", "', '").strip("'").split("', '")
        near = did_you_mean(given, allowed) if isinstance(given, str) else ""
        return f"{told}{near}; use {_listed(allowed, 'or')}"
    advice = context["message"] if kind == "rule" else _REQUIREMENTS.get(kind, error["msg"]).format(**context)
    return f"{told}; {advice}"


def _path(location: Sequence[int | str]) -> str:
    """A location in the form spec.source.files.scenes[0].item."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" for step in location)
    return "".join(steps).removeprefix(".") or "it"


def _fields_at(location: Sequence[int | str]) -> list[str]:
    """The names of the fields of the model at a location, inside models, lists and maps of models."""
    model: type[BaseModel] = MosaicRequest
    within_model = True
    for step in location:
        if not within_model:
            within_model = True
            continue
        annotation = next(field.annotation for field in model.model_fields.values() if field.alias == step)
        model = _model_in(annotation) or model
        within_model = not _is_container(annotation)
    return [str(field.alias) for field in model.model_fields.values()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as list[Model] | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for model in map(_model_in, get_args(annotation)) if model), None)


def _is_container(annotation: Any) -> bool:
    """Whether an annotation such as list[Model] | None means several models."""
    return getattr(annotation, "__origin__", None) in {list, dict} or any(map(_is_container, get_args(annotation)))


def _shown(value: object) -> str:
    """A value, shortened."""
    try:
        return _printable(json.dumps(value, ensure_ascii=False, default=str))
    except ValueError:
        return "a number with too many digits"


def _printable(text: str) -> str:
    """Text on one line, shortened, without control characters."""
    shortened = text if len(text) <= 80 else text[:77] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shortened)


def _listed(words: Sequence[str], joint: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"
