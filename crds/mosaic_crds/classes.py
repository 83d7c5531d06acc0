"""`spec.product.classes`: the classes of a classified mosaic, and the numbers that its pixels store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import attrgetter
from typing import Annotated, Any, ClassVar

from pydantic import Field

from mosaic_crds.fields import NO_CONTROL, Model, Number, Rule, Text, broken, exactly_one

MOST_CLASSES = 64
"""The most classes of a product."""
NO_DATA = 0
"""The stored number of pixels without data."""
NO_CLASS = 255
"""The stored number of pixels whose value is in no class. Those of classes are 1, 2, …, in their order."""


class ValueRange(Model):
    """A range of values."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            server="has(self.atLeast) || has(self.below)",
            holds=lambda limits: limits.at_least is not None or limits.below is not None,
            message="give atLeast, below or both",
        ),
        Rule(
            server="!has(self.atLeast) || !has(self.below) || self.atLeast < self.below",
            holds=lambda limits: limits.at_least is None or limits.below is None or limits.at_least < limits.below,
            message="atLeast must be less than below",
        ),
    )

    at_least: Number | None = None
    """The smallest value of the range. Default: no limit."""
    below: Number | None = None
    """The limit that all values of the range are less than. Default: no limit."""


class ProductClass(Model):
    """A class: a value or a range of values, with a colour and a name."""

    rules = (exactly_one("value", "range"),)

    value: Number | None = None
    """The only value of the class, for products with whole numbers."""
    range: ValueRange | None = None
    """The values of the class."""
    colour: Annotated[str, Text(r"#[0-9a-fA-F]{6}", 7, "a colour in the form #rrggbb, such as #1a9850")]
    """The colour in the picture, as #rrggbb."""
    name: Annotated[str, Field(min_length=1, max_length=64), NO_CONTROL]
    """The name, for legends."""

    @property
    def start(self) -> float:
        """The smallest value; -inf without a limit."""
        if self.range is None:
            return float("-inf") if self.value is None else self.value
        return float("-inf") if self.range.at_least is None else self.range.at_least

    def __contains__(self, value: float) -> bool:
        """Whether a value is in the class."""
        if self.range is None:
            return value == self.value
        return self.start <= value and (self.range.below is None or value < self.range.below)


def overlapping(classes: Sequence[ProductClass]) -> tuple[ProductClass, ProductClass] | None:
    """The first two classes with a common value; None if there are none."""
    return next(
        (pair for pair in combinations(classes, 2) if pair[0].start in pair[1] or pair[1].start in pair[0]), None
    )


_START = "(has(y.value) ? y.value : has(y.range) && has(y.range.atLeast) ? y.range.atLeast : -1e19)"
"""The smallest value of the class y, in CEL; below all numbers without a limit."""
_CONTAINS = (
    f"(has(x.value) ? x.value == {_START} : has(x.range) && (!has(x.range.atLeast) || x.range.atLeast <= {_START})"
    f" && (!has(x.range.below) || {_START} < x.range.below))"
)
"""Whether the class x contains the smallest value of the class y, in CEL."""


@dataclass(frozen=True)
class _Apart(Rule):
    """No two classes have a common value. The message of Python names two that have."""

    def check(self, value: Any) -> Any:
        """Return the classes; raise an error of pydantic if two overlap."""
        pair = overlapping(value)
        if pair is not None:
            raise broken(self.message, found=f"has {pair[0].name} and {pair[1].name}, which overlap")
        return value


APART = _Apart(
    server=f"self.all(y, self.exists_one(x, {_CONTAINS}))",
    holds=lambda classes: overlapping(classes) is None,
    message="no two classes may have a common value",
)
NAMED_ONCE = Rule(
    server="self.all(x, self.exists_one(y, y.name == x.name))",
    holds=lambda classes: len({each.name for each in classes}) == len(classes),
    message="each name must be unique",
)
Classes = Annotated[list[ProductClass], Field(min_length=1, max_length=MOST_CLASSES), NAMED_ONCE, APART]


def _beside_classes(field: str, is_set: Callable[[Any], bool], server: str, message: str) -> Rule:
    """A rule of the spec: a field is not set beside product.classes.

    Args:
        field: the field, such as composite.count.
        is_set: whether a value of the field is set.
        server: the same in CEL; its parent has defaults, so it is always there.
        message: what to do.
    """
    parent = field.partition(".")[0]
    return Rule(
        server=f"!has(self.product) || !has(self.product.classes) || !has(self.{parent}) || !({server})",
        holds=lambda spec: spec.product.classes is None or not is_set(attrgetter(field)(spec)),
        message=message,
        field=field,
    )


_ONE_BAND = "a classified mosaic has one band; remove it or product.classes"
BESIDE_CLASSES = (
    _beside_classes("composite.count", bool, "self.composite.count", _ONE_BAND),
    _beside_classes("composite.chosen", bool, "self.composite.chosen", _ONE_BAND),
    _beside_classes("composite.deviations", bool, "self.composite.deviations", _ONE_BAND),
    _beside_classes(
        "output.dtype",
        lambda dtype: dtype == "int16",
        "self.output.dtype == 'int16'",
        "classes are stored as 8-bit integers; remove it or product.classes",
    ),
    *(
        _beside_classes(
            f"output.{name}",
            lambda value: value is not None,
            f"has(self.output.{name})",
            "classes have their own colours; remove it or product.classes",
        )
        for name in ("colormap", "stretch")
    ),
)
"""Rules of the spec: what is not for classified mosaics."""
