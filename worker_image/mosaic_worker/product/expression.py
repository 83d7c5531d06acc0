"""Band arithmetic: a closed grammar, parsed to a tree and computed by numexpr; never evaluated as Python."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numexpr
import numpy as np
from mosaic_crds.errors import RequestError
from mosaic_crds.spelling import counted
from numpy.typing import NDArray

from mosaic_worker.product.bands import canonical

Floats = NDArray[np.float32]

numexpr.set_num_threads(1)  # processes share the work

OPERATORS: dict[type[ast.operator] | type[ast.unaryop], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.UAdd: "+", ast.USub: "-",
}  # fmt: skip
FUNCTIONS = {name: (name, 1) for name in ("sqrt", "exp", "log", "log10", "abs")} | {
    "min": ("minimum", 2),
    "max": ("maximum", 2),
}
"""The numexpr name and the number of arguments, by name."""
ALLOWED = "numbers, bands, + - * / **, parentheses and sqrt, exp, log, log10, abs, min(a, b), max(a, b)"
LARGEST_NUMBER = 1e30
DEEPEST = 50
"""Levels of nesting, far more than in any index."""

_SAMPLES = 16
_GOLDEN = (5**0.5 - 1) / 2
"""The multiples of the golden ratio, modulo 1, are spread evenly. (numpy.random takes long to import.)"""


@dataclass(frozen=True)
class Expression:
    """A parsed formula.

    Attributes:
        text: the formula.
        bands: the canonical names of its bands, in order of their first use.
        program: the formula for numexpr, with bands as b0, b1, … and numbers as k0, k1, ….
        constants: the numbers, k0 first.
        normalised_difference: whether it has the form (A - B) / (A + B), with the range [-1, 1].
    """

    text: str
    bands: tuple[str, ...]
    program: str
    constants: tuple[float, ...]
    normalised_difference: bool

    def evaluate(self, values: Mapping[str, Floats]) -> Floats:
        """Compute the formula for each pixel.

        Args:
            values: float32 arrays of one shape by canonical band name, NaN for no data.

        Returns:
            float32, NaN if an operand is NaN or the result is not finite, such as 0/0.
        """
        operands = {name: values[name] for name in self.bands}
        with np.errstate(over="ignore"):
            found = self._compute(operands, np.float32).astype(np.float32, copy=False)
        found[np.isinf(found)] = np.nan
        if "**" in self.program:  # NaN ** 0 and 1 ** NaN are 1
            for operand in operands.values():
                found[np.isnan(operand)] = np.nan
        return found

    @cached_property
    def homogeneous(self) -> bool:
        """Whether a common factor of all bands multiplies the result by a power of it, tested with fixed samples.

        Then numbers without an offset can be used instead of reflectances.
        """
        samples = 0.05 + 0.55 * (_GOLDEN * np.arange(1, len(self.bands) * _SAMPLES + 1) % 1).reshape(-1, _SAMPLES)
        ratios = []
        for factor in (2.0, 3.0):
            once = self._compute(dict(zip(self.bands, samples, strict=True)), np.float64)
            more = self._compute(dict(zip(self.bands, samples * factor, strict=True)), np.float64)
            usable = np.isfinite(once) & np.isfinite(more) & (np.abs(once) > 1e-9)
            ratios.append(more[usable] / once[usable])
        return all(ratio.size > 0 and bool(np.allclose(ratio, ratio[0], rtol=1e-9)) for ratio in ratios)

    def _compute(self, values: Mapping[str, NDArray[np.floating]], dtype: type[np.floating]) -> NDArray[np.floating]:
        operands: dict[str, object] = {f"b{number}": values[name] for number, name in enumerate(self.bands)}
        operands |= {f"k{number}": dtype(value) for number, value in enumerate(self.constants)}
        with np.errstate(all="ignore"):
            found: NDArray[np.floating] = numexpr.evaluate(self.program, local_dict=operands, global_dict={})
        return found


def parse(
    text: str, where: str = "spec.product.expression", constants: Mapping[str, float] | None = None
) -> Expression:
    """Parse a formula.

    Args:
        text: the formula.
        where: its field, for messages.
        constants: values of names that are not bands.

    Raises:
        RequestError: the formula does not follow the grammar.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        why = f" ({error.msg})" if isinstance(error, SyntaxError) else ""
        raise RequestError(f"{where}: {text!r} is not a valid formula{why}; use {ALLOWED}") from None
    writer = _Writer(text, where, constants or {})
    program = writer.write(tree, 0)
    if not writer.bands:
        raise RequestError(f"{where}: {text!r} names no band")
    return Expression(
        text, tuple(writer.bands), program, tuple(writer.numbers), _is_normalised_difference(tree, canonical)
    )


class _Writer:
    """Converts a tree to a program for numexpr, and refuses everything outside the grammar."""

    def __init__(self, text: str, where: str, constants: Mapping[str, float]) -> None:
        self.bands: list[str] = []
        self.numbers: list[float] = []
        self._text, self._where, self._constants = text, where, constants

    def write(self, node: ast.expr, depth: int) -> str:  # noqa: PLR0911 (a case for each kind of node)
        if depth > DEEPEST:
            raise RequestError(f"{self._where}: the formula is nested more than {DEEPEST} levels deep")
        match node:
            case ast.BinOp(left, ast.Pow(), ast.Constant(int(power))) if type(power) is int and 0 <= power <= 16:
                return f"({self.write(left, depth + 1)}**{power})"  # numexpr multiplies
            case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
                sign = OPERATORS[type(operator)]
                return f"({self.write(left, depth + 1)}{sign}{self.write(right, depth + 1)})"
            case ast.UnaryOp(operator, operand) if type(operator) in OPERATORS:
                return f"({OPERATORS[type(operator)]}{self.write(operand, depth + 1)})"
            case ast.Constant(int() | float() as value) if not isinstance(value, bool):
                return self._number(value)
            case ast.Name(name) if name in self._constants:
                return self._number(self._constants[name])
            case ast.Name(name) if name not in FUNCTIONS:
                return self._band(canonical(name))
            case ast.Call(ast.Name(name), arguments, []) if name in FUNCTIONS:
                return self._call(name, arguments, depth)
        piece = ast.get_source_segment(self._text.strip(), node) or self._text
        raise RequestError(f"{self._where}: {piece!r} is not allowed in a formula; use {ALLOWED}")

    def _number(self, value: float) -> str:
        if not abs(value) <= LARGEST_NUMBER:
            raise RequestError(f"{self._where}: the number {value!r:.20} is larger than {LARGEST_NUMBER:g}")
        self.numbers.append(float(value))
        return f"k{len(self.numbers) - 1}"

    def _band(self, name: str) -> str:
        if name not in self.bands:
            self.bands.append(name)
        return f"b{self.bands.index(name)}"

    def _call(self, name: str, arguments: list[ast.expr], depth: int) -> str:
        function, count = FUNCTIONS[name]
        if len(arguments) != count:
            raise RequestError(f"{self._where}: {name} takes {counted(count, 'argument')}, not {len(arguments)}")
        return f"{function}({','.join(self.write(argument, depth + 1) for argument in arguments)})"


def _is_normalised_difference(tree: ast.expr, name_of: Callable[[str], str]) -> bool:
    """Whether a tree is (A - B) / (A + B) or (A - B) / (B + A), independent of aliases of bands."""

    def shape(node: ast.expr) -> str:
        copy = ast.parse(ast.unparse(node), mode="eval")
        for part in ast.walk(copy):
            if isinstance(part, ast.Name):
                part.id = name_of(part.id)
        return ast.dump(copy)

    match tree:
        case ast.BinOp(ast.BinOp(a, ast.Sub(), b), ast.Div(), ast.BinOp(c, ast.Add(), d)):
            return {shape(a), shape(b)} == {shape(c), shape(d)}
    return False
