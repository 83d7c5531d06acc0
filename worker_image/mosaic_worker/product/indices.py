"""The Awesome Spectral Indices catalogue in the package spyndex."""

import re
from dataclasses import dataclass
from functools import cache, cached_property

from mosaic_crds.errors import RequestError
from mosaic_crds.spelling import did_you_mean

from mosaic_worker.product.bands import canonical, catalogue
from mosaic_worker.product.expression import FUNCTIONS, Expression, parse

_KERNEL = re.compile(r"\bk([NRBGL])([NRBGL])\b")
_WAVELENGTH = re.compile(r"lambda(\w+)")
_COMMON = ("NDVI", "EVI", "SAVI", "NDWI", "MNDWI", "NDSI", "NDMI", "NBR", "NDBI")
"""Indices that are suggested first, the most common ones first."""


@dataclass(frozen=True)
class Constant:
    """A named number in a formula."""

    name: str
    value: float
    meaning: str


@dataclass(frozen=True)
class Index:
    """A spectral index.

    Attributes:
        name: the short name, such as NDVI.
        long_name: the full name.
        domain: its topic: vegetation, water, snow, …
        formula: the formula in the catalogue, with codes for bands.
        bands: the canonical names of its bands.
        constants: its named numbers.
        lacking: named numbers without a default, without which it cannot be computed.
        reference: its publication.
    """

    name: str
    long_name: str
    domain: str
    formula: str
    bands: tuple[str, ...]
    constants: tuple[Constant, ...]
    lacking: tuple[str, ...]
    reference: str

    @cached_property
    def expression(self) -> Expression:
        """The parsed formula, with the defaults of its constants.

        Raises:
            RequestError: a constant has no default.
        """
        if self.lacking:
            raise RequestError(
                f"spec.product.index: {self.name} needs {', '.join(self.lacking)}, which has no default; "
                f"use spec.product.expression with a number instead: {self.formula}"
            )
        values = {constant.name: constant.value for constant in self.constants}
        return parse(_without_kernels(self.formula), "spec.product.index", values)


def find(name: str) -> Index:
    """The index of a name; case is ignored if that is unambiguous.

    Raises:
        RequestError: it does not exist.
    """
    names = _entries()
    if name in names:
        return _index(name)
    alike = [known for known in names if known.lower() == name.lower()]
    if len(alike) == 1:
        return _index(alike[0])
    raise RequestError(
        f"spec.product.index: unknown index {name}{did_you_mean(name, dict.fromkeys((*_COMMON, *names)))}; "
        f"`mosaic indices` lists all {len(names)}"
    )


def all_indices() -> list[Index]:
    """All indices by name."""
    return sorted(map(_index, _entries()), key=lambda index: index.name.lower())


@cache
def _entries() -> dict[str, dict[str, object]]:
    """The entries of the catalogue by the names of their indices."""
    entries: dict[str, dict[str, object]] = catalogue("spectral-indices-dict.json")["SpectralIndices"]
    return entries


@cache
def _index(name: str) -> Index:
    entry, constants = _entries()[name], catalogue("constants.json")
    formula = str(entry["formula"])
    words = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", _without_kernels(formula)))
    bands, known, lacking = [], [], []
    for word in words:
        if word in FUNCTIONS:
            continue
        if word not in constants:
            bands.append(canonical(word))
            continue
        wavelength = _WAVELENGTH.fullmatch(word)
        value = _wavelength(wavelength.group(1)) if wavelength else constants[word]["default"]
        if value is None:
            lacking.append(word)
        else:
            known.append(Constant(word, float(str(value)), str(constants[word]["description"])))
    return Index(
        name=str(entry["short_name"]),
        long_name=str(entry["long_name"]),
        domain=str(entry["application_domain"]),
        formula=formula,
        bands=tuple(bands),
        constants=tuple(known),
        lacking=tuple(lacking),
        reference=str(entry["reference"]),
    )


def _wavelength(code: str) -> float | None:
    """The central wavelength of a band of Sentinel-2A in nm, for formulas that need one."""
    platform = catalogue("bands.json")[code]["platforms"].get("sentinel2a")
    return None if platform is None else float(platform["wavelength"])


def _without_kernels(formula: str) -> str:
    """A formula with expanded kernels: k(a, b) = exp(-(a - b)^2 / (2 sigma^2)), sigma = (a + b) / 2.

    The radial basis function of kNDVI with the length scale of Camps-Valls et al. (2021), Science Advances 7, eabc7447;
    kNN is then 1, and kNDVI = tanh(NDVI^2).
    """

    def written_out(match: re.Match[str]) -> str:
        a, b = match.groups()
        return "1.0" if a == b else f"exp(-(({a} - {b}) ** 2) / (2.0 * (0.5 * ({a} + {b})) ** 2))"

    return _KERNEL.sub(written_out, formula)
