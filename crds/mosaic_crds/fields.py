"""The base of all models of the contract, and rules that both Python and the API server check."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from re import fullmatch, search
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mosaic_crds.docstrings import field_docstrings
from mosaic_crds.schema import RULES
from mosaic_crds.times import DURATION, TIME, UNITS, duration_seconds, interval, moment


def broken(message: str, field: str | None = None, found: str | None = None) -> PydanticCustomError:
    """The error of a value that is not allowed.

    Args:
        message: what to do, such as "use a date" or "it must be a date".
        field: the field of the model that is wrong, such as area or composite.count; the whole model if None.
        found: what is wrong, such as "has a and b, which overlap"; the value itself if None.
    """
    context = {"message": message, "field": field and _camel(field), "found": found}
    return PydanticCustomError("rule", "{message}", context)


def _camel(path: str) -> str:
    """A dotted path of fields, with their names in YAML."""
    return ".".join(map(to_camel, path.split(".")))


@dataclass(frozen=True)
class Rule:
    """A rule that both Python and the API server check: of a model in its `rules`, or of a value in its annotation.

    Attributes:
        server: the rule for the API server, an expression in CEL in which `self` is the model or the value; None if the
            server cannot check it.
        holds: the same rule for Python.
        message: what to do if it is broken.
        field: the field of the model that is wrong if it is broken, or the path of a field below it; None for the whole
            model.
    """

    server: str | None
    holds: Callable[[Any], bool]
    message: str
    field: str | None = None

    def check(self, value: Any) -> Any:
        """Return the value; raise an error of pydantic if it breaks the rule."""
        if not self.holds(value):
            raise broken(self.message, self.field)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema of the value, then this rule."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the value with this rule."""
        return _add_rules(handler(core), self)


def _add_rules(schema: JsonSchemaValue, *rules: Rule) -> JsonSchemaValue:
    """Add rules to a schema, after those that it has."""
    for rule in rules:
        if rule.server is not None:
            where = {"fieldPath": f".{_camel(rule.field)}"} if rule.field else {}
            schema.setdefault(RULES, []).append({"rule": rule.server, "message": rule.message} | where)
    return schema


class Model(BaseModel):
    """A part of the contract: immutable, no unknown fields, camelCase in YAML, nothing coerced."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        defer_build=True,  # most models are only parts of others, and a command needs few
        alias_generator=to_camel,  # documents use only the names that the API server knows
        allow_inf_nan=False,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _check_rules(self) -> "Model":
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        for name, text in field_docstrings(cls).items():
            if name in cls.model_fields:
                schema["properties"][to_camel(name)]["description"] = text
        return _add_rules(schema, *cls.rules)


def exactly_one(*fields: str) -> Rule:
    """Exactly one of several fields is given."""
    return Rule(
        server=" + ".join(f"(has(self.{to_camel(field)}) ? 1 : 0)" for field in fields) + " == 1",
        holds=lambda model: sum(getattr(model, field) is not None for field in fields) == 1,
        message=f"give exactly one of {', '.join(to_camel(field) for field in fields)}",
    )


DISTINCT = Rule(
    server="self.all(x, self.exists_one(y, y == x))",
    holds=lambda values: len(set(values)) == len(values),
    message="it must not contain duplicates",
)
"""A list has no duplicates."""


def at_most(longest: str) -> Rule:
    """A duration is at most another one, such as 30d."""
    limit = duration_seconds(longest)
    seconds = " + ".join(
        f"self.findAll('[0-9]+{unit}').map(x, int(x.replace('{unit}', ''))).sum() * {factor}"
        for unit, factor in UNITS.items()
    )
    return Rule(
        server=f"!{matches(DURATION)} || {seconds} <= {limit}",
        holds=lambda text: duration_seconds(text) <= limit,
        message=f"it must be at most {longest}",
    )


def matches(pattern: str) -> str:
    """The expression in CEL for text of which all matches a regular expression."""
    return f"self.matches(r'^{pattern}$')"


@dataclass(frozen=True)
class Text:
    """A string of a certain form.

    Attributes:
        pattern: a regular expression for the whole string, which Rust, Go and Python interpret in the same way.
        longest: the maximum number of characters.
        form: what to use, in words, such as "a band name".
    """

    pattern: str
    longest: int
    form: str

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        """A string schema with the form in its error message."""
        return core_schema.custom_error_schema(
            core_schema.str_schema(pattern=f"^{self.pattern}$", max_length=self.longest, strict=True),
            custom_error_type="rule",
            custom_error_message="{message}",
            custom_error_context={"message": self.message},
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of the string; the API server would only show the pattern, so a rule for it has the message."""
        return _add_rules(handler(core), Rule(matches(self.pattern), lambda _: True, self.message))

    @property
    def message(self) -> str:
        """What to do if the string does not have the form."""
        return f"use {self.form}"


def _moment(value: object) -> object:
    """A time in UTC from its text; a date means midnight, and a time without a zone is UTC."""
    try:
        if isinstance(value, str) and fullmatch(TIME, value):
            return moment(value)
    except ValueError:
        pass
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)
    raise broken(_MOMENT)


def _interval(value: str) -> str:
    """An interval with its times in UTC."""
    try:
        return interval(value)
    except ValueError as error:
        raise broken(f"use {_INTERVAL} ({error})") from None


_MOMENT = "use a time such as 2024-07-01T19:03:11Z (UTC without a time zone), or a date"
_INTERVAL = "a date or time, or an interval such as 2024-06-01/2024-08-31 or 2024-06-01/.. (UTC without a time zone)"
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "maxLength": 40, RULES: [{"rule": matches(TIME), "message": _MOMENT}]}),
]
"""A time in UTC; from a date, midnight."""
Interval = Annotated[
    str,
    Text(rf"({TIME}(/({TIME}|\.\.))?|\.\./{TIME})", 80, _INTERVAL),
    AfterValidator(_interval),
]
"""A time or an interval, each time in UTC with a Z."""
Duration = Annotated[str, Text(DURATION, 32, "a duration such as 15m, 6h or 1d12h")]
DnsName = Annotated[
    str, Text(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", 63, "at most 63 lower-case letters, digits and hyphens, such as team-a")
]
BAND_NAME = Text(r"[A-Za-z][A-Za-z0-9_]*", 32, "a band name of at most 32 letters, digits and _, such as nir or swir16")
BandName = Annotated[str, BAND_NAME]
BAND_NAMES = Rule(
    server=f"self.all(name, {matches(BAND_NAME.pattern).replace('self', 'name')})",
    holds=lambda _: True,  # pydantic checks each key, and names it
    message=BAND_NAME.message,
)
"""The keys of a map are band names."""
NO_CONTROL = Rule(
    server=r"!self.matches(r'[\x00-\x1f\x7f]')",
    holds=lambda text: search(r"[\x00-\x1f\x7f]", text) is None,
    message="it must not contain control characters",
)
"""Text has no control characters, which terminals may execute and databases may refuse."""
LARGEST_NUMBER = 1e18
"""Limit of numbers that pixels are compared or computed with. The API server compares integers as int64."""
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Reference = Annotated[str, Field(min_length=1, max_length=4096), NO_CONTROL]
"""A path or URL; the reader decides whether it may be read."""
Percent = Annotated[float, Field(ge=0, le=100)]
