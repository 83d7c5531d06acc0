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
    "too_short": "at least {min_length} must be given",
    "too_long": "at most {max_length} may be given",
    "string_too_short": "at least {min_length} character must be given",
    "string_pattern_mismatch": "text without control characters is allowed",
    "string_too_long": "at most {max_length} characters may be given",
    "finite_number": "a finite number is allowed",
    "int_type": "a whole number is allowed",
    "float_type": "a number is allowed",
    "string_type": "text is allowed",
    "bool_type": "true or false is allowed",
    "list_type": "a list is allowed",
    "dict_type": "a mapping is allowed",
    "model_type": "a mapping of fields is allowed",
    "invalid_key": "the name of a field is text, so write it in quotes",
}
"""What is allowed, by pydantic's kind of error."""


def parse_request(text: str, where: str) -> MosaicRequest:
    """The request in a YAML or JSON text.

    Args:
        text: the text.
        where: the name of the file or variable that it stood in, for messages.

    Raises:
        RequestError: it is not valid; one sentence says why.
    """
    return load_request(read_document(text, where), where)


def load_request(document: object, where: str = "the request") -> MosaicRequest:
    """The request in a document that is parsed already.

    Raises:
        RequestError: it is not valid; one sentence says why.
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
    """Refuse a spec that is too large as a whole, though each field keeps to its limits.

    Raises:
        RequestError: it is.
    """
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), default=str)
    size = len(text.encode(errors="replace"))
    if size > LARGEST_REQUEST:
        raise RequestError(
            f"{where}: spec has {size:,} bytes as JSON; at most {LARGEST_REQUEST:,} (1 MiB) are allowed, "
            "so list fewer scenes or shorter URLs",
            "spec",
        )


def load_execution(spec: object) -> Execution:
    """Validate spec.execution alone; the rest of the spec can be missing.

    Raises:
        RequestError: its execution is not valid; one sentence says why.
    """
    given = spec.get("execution") if isinstance(spec, Mapping) else None
    try:
        return Execution.model_validate({} if given is None else given)
    except ValidationError as error:
        told = min(error.errors(include_url=False), key=_rank)
        told["loc"] = ("spec", "execution", *told["loc"])
        raise RequestError(f"the request: {_sentence(told)}", _field(told)) from None


def _rank(error: ErrorDetails) -> int:
    """Lowest for the most telling error: another kind of object explains all others, an unknown field a missing one."""
    if error["loc"] in {("apiVersion",), ("kind",)} and error["type"] != "missing":
        return 0
    return 1 if error["type"] == "extra_forbidden" else 2


def _field(error: ErrorDetails) -> str:
    """The field that an error is about."""
    named = error.get("ctx", {}).get("field") if error["type"] == "rule" else None
    return _path((*error["loc"], named) if named else error["loc"])


def _sentence(error: ErrorDetails) -> str:
    location, kind, given = error["loc"], error["type"], error["input"]
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields_at(location[:-1])
        near = did_you_mean(str(location[-1]), known)
        instead = f"{_listed(known, 'and')} are allowed" if known else "nothing is allowed there"
        return f"{_path(location)} is no field{near}; {instead}"
    if kind == "missing":
        return f"{_path(location)} is missing"
    if location[-1:] == ("[key]",):
        return f"{_path(location[:-2])} has an entry {_shown(given)}; {context['message']}"
    if kind == "rule" and context.get("field"):
        location, given = (*location, context["field"]), given.get(context["field"])
    told = f"{_path(location)} is {_shown(given)}"
    if kind in {"literal_error", "enum"}:
        allowed = str(context["expected"]).replace("' or '", "', '").strip("'").split("', '")
        near = did_you_mean(given, allowed) if isinstance(given, str) else ""
        return f"{told}{near}; {_listed(allowed, 'or')} is allowed"
    allowed_instead = context["message"] if kind == "rule" else _REQUIREMENTS.get(kind, error["msg"]).format(**context)
    return f"{told}; {allowed_instead}"


def _path(location: Sequence[int | str]) -> str:
    """A location as people write it: spec.source.files.scenes[0].item."""
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
    """The model that an annotation such as list[Model] | None is about."""
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
    """Text on one line, shortened, without what a terminal would obey."""
    shortened = text if len(text) <= 80 else text[:77] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shortened)


def _listed(words: Sequence[str], joint: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"
