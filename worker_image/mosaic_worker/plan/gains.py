"""Solves gains and offsets that match overlapping scenes: robust least squares, numbers only.

A sample is a small square of the mosaic. At sample p, scene s has the value x[s, p], and all scenes have one unknown
common value m[p]. The gain is solved in logarithms, so that bright and dark places count alike:

    minimise  sum w[s, p] (log g[s] + log x[s, p] - m[p])^2  +  DAMPING sum (log g[s])^2

With offsets, the gain is solved in the same way from contrasts, which offsets do not change: x[s, p] is then the
absolute difference of two samples of a patch. A fit of gain and offset together would prefer small gains, because they
also make differences small that come from haze and change. Then the offsets o are solved:

    minimise  sum w[s, p] (g[s] x[s, p] + o[s] - m[p])^2  +  DAMPING sum o[s]^2

The m are eliminated, so a system has one unknown for each scene. The weights w are those of Cauchy,
1 / (1 + (r / 2.385 s)^2), for residuals r with the scale s (1.4826 x the median of |r|), so that clouds, shadows and
changes between two dates count little (Holland and Welsch 1977, https://doi.org/10.1080/03610927708827533).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

LEAST_GAIN, LARGEST_GAIN = 0.8, 1.25
"""Thin haze can look like a larger gain, which would make other edges worse."""
LARGEST_OFFSET = 0.25
"""The maximum offset, relative to the median of the scene in the overlaps."""
FEWEST = 50
"""Common samples that a scene needs; otherwise it keeps a gain of 1."""
DAMPING = 10.0
"""The weight of a gain of 1, in samples."""
ROUNDS = 10
"""Rounds of reweighting: a constant, so that the result does not depend on a tolerance."""
CAUCHY = 2.385
"""For 95 % efficiency if the residuals are normal."""
LEAST_SCALE = 0.01
"""The minimum scale of residuals, relative to the values: otherwise the residuals that DAMPING leaves would matter."""
TINY = 1e-30
DIGITS = 6
"""Decimals of a gain, and significant digits of an offset: more than overlaps tell, fewer than libraries agree on."""


@dataclass(frozen=True)
class Patch:
    """Samples of a place, in all scenes that may have some.

    Attributes:
        scenes: positions of the scenes, ascending.
        values: float32 (scenes, samples), NaN for no data.
    """

    scenes: Sequence[int]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Solution:
    """The corrections of a band: corrected = gain x value + offset.

    Attributes:
        gains, offsets: of each scene.
        limited: scenes whose gain or offset reaches a limit.
        alone: scenes with too few common samples; they keep gain 1 and offset 0.
    """

    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    limited: tuple[int, ...]
    alone: tuple[int, ...]


def solve(patches: Sequence[Patch], scenes: int, *, with_offset: bool) -> Solution:
    """The gains, and offsets if they are wanted, of a band.

    Args:
        patches: the samples.
        scenes: the number of scenes.
        with_offset: whether offsets are solved too.
    """
    data = [_Data.of(patch.scenes, patch.values, positive=not with_offset) for patch in patches]
    data, alone = _without_lonely([each for each in data if each.values.size], scenes)
    compared = _contrasts(data) if with_offset else data
    gains = np.exp(_least_squares([_Terms(each, np.log(each.values)) for each in compared], scenes))
    limited = set(np.flatnonzero((gains < LEAST_GAIN) | (gains > LARGEST_GAIN)).tolist())
    gains, offsets = np.clip(gains, LEAST_GAIN, LARGEST_GAIN), np.zeros(scenes)
    if with_offset:
        scaled = [_Terms(each, gains[each.scenes][:, np.newaxis] * each.values) for each in data]
        medians = np.abs(_medians(data, scenes))
        wanted = _least_squares(scaled, scenes, LEAST_SCALE * max(float(np.median(medians)), TINY))
        offsets = np.clip(wanted, -LARGEST_OFFSET * medians, LARGEST_OFFSET * medians)
        limited |= set(np.flatnonzero(offsets != wanted).tolist())
    for scene in alone:
        gains[scene], offsets[scene] = 1.0, 0.0
    return Solution(
        tuple(round(float(gain), DIGITS) for gain in gains),
        tuple(float(f"{offset:.{DIGITS}g}") for offset in offsets),
        tuple(sorted(limited - set(alone))),
        tuple(alone),
    )


@dataclass(frozen=True)
class _Data:
    """The common samples of a patch: those of two scenes or more.

    Attributes:
        scenes: positions of the scenes.
        values: float64 (scenes, samples), NaN for no data.
    """

    scenes: NDArray[np.intp]
    values: Doubles

    @staticmethod
    def of(scenes: Sequence[int], samples: NDArray[np.floating], *, positive: bool) -> "_Data":
        """The common samples of a patch; for logarithms, only positive values count."""
        values = samples.astype(np.float64)
        if positive:
            values[~(values > 0)] = np.nan
        return _Data(np.array(scenes, np.intp), values[:, np.isfinite(values).sum(axis=0) > 1])

    def without(self, lonely: NDArray[np.intp]) -> "_Data":
        """The common samples of the other scenes."""
        kept = ~np.isin(self.scenes, lonely)
        values = self.values[kept]
        return _Data(self.scenes[kept], values[:, np.isfinite(values).sum(axis=0) > 1])


def _without_lonely(data: Sequence[_Data], scenes: int) -> tuple[list[_Data], list[int]]:
    """The samples of scenes with enough common ones, and the other scenes."""
    found, lonely = list(data), np.zeros(scenes, np.bool_)
    while True:
        counts = np.zeros(scenes, np.int64)
        for each in found:
            np.add.at(counts, each.scenes, np.isfinite(each.values).sum(axis=1))
        fresh = (counts < FEWEST) & ~lonely
        if not fresh.any():
            return found, np.flatnonzero(lonely).tolist()
        lonely |= fresh
        found = [left for each in found if (left := each.without(np.flatnonzero(lonely))).values.size]


@dataclass(frozen=True)
class _Terms:
    """The residuals of a patch: unknown of the scene + target - common value.

    Attributes:
        data: the samples.
        target: float64 (scenes, samples), NaN for no data.
    """

    data: _Data
    target: Doubles

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where there is a value, (scenes, samples)."""
        found: NDArray[np.bool_] = np.isfinite(self.target)
        return found

    def residuals(self, unknowns: Doubles, weights: Doubles) -> Doubles:
        """The residuals, (scenes, samples), for an unknown of each scene of the plan; 0 for no data."""
        fitted = np.where(self.seen, unknowns[self.data.scenes][:, np.newaxis] + self.target, 0)
        common = (weights * fitted).sum(axis=0) / weights.sum(axis=0)
        return np.where(self.seen, fitted - common, 0)


def _contrasts(data: Sequence[_Data]) -> list[_Data]:
    """The absolute differences between samples of a patch.

    Only the half counts that is largest in the scene with the smallest: small ones are noise, and those that are large
    in one scene alone are the edges of clouds.
    """
    found = []
    for each in data:
        half = each.values.shape[1] // 2
        found.append(np.abs(each.values[:, :half] - each.values[:, half : 2 * half]))
    least = [np.nan_to_num(np.fmin.reduce(each, axis=0)) for each in found]
    limit = float(np.median(np.concatenate(least))) if least else 0.0
    chosen = [
        _Data.of(list(each.scenes), contrast[:, smallest >= limit], positive=True)
        for each, contrast, smallest in zip(data, found, least, strict=True)
    ]
    return [each for each in chosen if each.values.size]


def _least_squares(terms: Sequence[_Terms], scenes: int, least_scale: float = LEAST_SCALE) -> Doubles:
    """The unknown of each scene, by iteratively reweighted least squares; 0 without terms."""
    weights = [term.seen.astype(np.float64) for term in terms]
    unknowns = np.zeros(scenes)
    for _ in range(ROUNDS if terms else 0):
        unknowns = _solve(terms, weights, scenes)
        residuals = [term.residuals(unknowns, weight) for term, weight in zip(terms, weights, strict=True)]
        every = np.concatenate([np.abs(each[term.seen]) for each, term in zip(residuals, terms, strict=True)])
        scale = max(least_scale, 1.4826 * float(np.median(every)))
        weights = [
            term.seen / (1 + np.square(each / (CAUCHY * scale))) for each, term in zip(residuals, terms, strict=True)
        ]
    return unknowns


def _solve(terms: Sequence[_Terms], weights: Sequence[Doubles], scenes: int) -> Doubles:
    """The unknowns for given weights, from the normal equations without the common values."""
    matrix, right = np.zeros((scenes, scenes)), np.zeros(scenes)
    np.fill_diagonal(matrix, DAMPING)
    for term, weight in zip(terms, weights, strict=True):
        here, target = term.data.scenes, np.nan_to_num(term.target)
        total = weight.sum(axis=0)
        matrix[np.ix_(here, here)] += np.diag(weight.sum(axis=1)) - (weight / total) @ weight.T
        right[here] -= (weight * (target - (weight * target).sum(axis=0) / total)).sum(axis=1)
    found: Doubles = np.asarray(np.linalg.solve(matrix, right), np.float64)
    return found


def _medians(data: Sequence[_Data], scenes: int) -> Doubles:
    """The median of the common samples of each scene; 0 without any."""
    values: list[list[Doubles]] = [[] for _ in range(scenes)]
    for each in data:
        for scene, row in zip(each.scenes, each.values, strict=True):
            values[int(scene)].append(row[np.isfinite(row)])
    return np.array([float(np.median(np.concatenate(some))) if some else 0.0 for some in values])
