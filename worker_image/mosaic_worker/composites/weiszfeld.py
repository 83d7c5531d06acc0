"""The geometric median: the point with the smallest sum of Euclidean distances to some points.

Weiszfeld's method converges slowly where points are nearly on a line, and not at all from a point. So this is Newton's
method, which takes Weiszfeld's step where Newton's does not reduce the sum (Weiszfeld 1937; Vardi, Zhang 2000: The
multivariate L1-median and associated data depth, PNAS 97(4); Beck, Sabach 2015: Weiszfeld's method: old and new
results, JOTA 164). The sum never increases, and the points that could be the median themselves are tested.

All numbers are float64. Each pixel is computed by the same operations in the same order, whatever the others are: sums
have a fixed order, and no library for linear algebra is used, because its results depend on the processor.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_STEPS = 200
"""Most pixels need 5 to 10. Those that are not done then are at a sum that hardly differs from the smallest one."""
FIRST_STEPS = 10
"""Then each step also tests a point that is not the nearest one. Of an even number of points nearly on a line, the sum
hardly changes between the middle ones, and steps are short there."""
HALVINGS = 6
"""How often Newton's step is halved until it reduces the sum, before Weiszfeld's is taken."""
PRECISION = 1e-7
"""The last step of a pixel is at most this part of the mean distance. Newton's steps square the error."""
NEAREST = 1e-15
"""A step may end at a point."""
RIDGE = 1e-10
"""Added to the diagonal of the scaled Hessian, which is singular for points on a line."""


def geometric_median(points: Doubles, valid: Flags) -> Doubles:
    """The geometric median of the valid points of each pixel.

    Of two points, and of an even number of points on a line, each point between the middle ones is a median; of two,
    the one halfway is returned.

    Args:
        points: (observations, bands, pixels).
        valid: (observations, pixels); other points may have any value.

    Returns:
        (bands, pixels), NaN without a valid point.
    """
    points = np.where(valid[:, np.newaxis], points, 0.0)
    count = np.count_nonzero(valid, axis=0)
    with np.errstate(invalid="ignore"):
        found: Doubles = _sum(points) / count
    places = np.flatnonzero(count > 2)
    if places.size:
        search = _Search(points[:, :, places], valid[:, places], found[:, places])
        found[:, places] = search.run()
    return found


def _sum(terms: Doubles) -> Doubles:
    """The sum along the first axis, term by term; that of numpy has another order for a single column."""
    return np.add.reduce(terms, axis=0) if terms[0].size > 1 else reduce(np.add, terms)


def _length(vectors: Doubles) -> Doubles:
    """The lengths of vectors whose components are along the last axis but one."""
    return np.sqrt(reduce(np.add, (np.square(vectors[..., band, :]) for band in range(vectors.shape[-2]))))


@dataclass
class _Search:
    """The pixels of a search.

    Attributes:
        points: (observations, bands, pixels), 0 if not valid.
        valid: (observations, pixels).
        at: the medians so far, (bands, pixels).
    """

    points: Doubles
    valid: Flags
    at: Doubles

    def run(self) -> Doubles:
        """The medians. A pixel that is done is left out of the next steps."""
        found, places = self.at.copy(), np.arange(self.at.shape[1])
        tested = ~self.valid
        distances, total = self._distances(self.at)
        for step in range(MOST_STEPS):
            candidates = distances if step < FIRST_STEPS else np.where(tested, np.inf, distances)
            done, moved = self._test(candidates.argmin(axis=0), total, tested)
            rest = np.flatnonzero(~(done | moved))
            if rest.size:
                part = self._only(rest)
                done[rest] = part.step(distances[:, rest], total[rest])
                self.at[:, rest] = part.at
            found[:, places[done]] = self.at[:, done]
            if done.all():
                return found
            left = np.flatnonzero(~done)
            places, tested = places[left], tested[:, left]
            self.points, self.valid, self.at = self.points[:, :, left], self.valid[:, left], self.at[:, left]
            distances, total = self._distances(self.at)
        found[:, places] = self.at
        return found

    def step(self, distances: Doubles, total: Doubles) -> Flags:
        """Newton's step or a part of it, or Weiszfeld's where none reduces the sum; returns which pixels are done."""
        weights = np.where(self.valid, 1 / np.maximum(distances, NEAREST), 0.0)
        apart = self.at - self.points
        weight = _sum(weights)
        weiszfeld = -_sum(weights[:, np.newaxis] * apart) / weight
        newton = _solve(_hessian(apart, weights, weight), weiszfeld)
        start, self.at = self.at, self.at + newton
        done: Flags = _length(newton) <= PRECISION * total / np.count_nonzero(self.valid, axis=0)
        worse = ~done & ~(self._distances(self.at)[1] <= total)
        for halving in range(1, HALVINGS + 1):
            if not worse.any():
                return done
            np.copyto(self.at, start + newton / 2**halving, where=worse)
            worse &= ~(self._distances(self.at)[1] <= total)
        np.copyto(self.at, start + weiszfeld, where=worse)
        return done

    def _only(self, places: NDArray[np.intp]) -> "_Search":
        if places.size == self.at.shape[1]:
            return _Search(self.points, self.valid, self.at.copy())
        return _Search(self.points[:, :, places], self.valid[:, places], self.at[:, places])

    def _distances(self, at: Doubles) -> tuple[Doubles, Doubles]:
        """The distance to each point, infinite if it is not valid, and their sum."""
        distances = _length(self.points - at)
        total = _sum(np.where(self.valid, distances, 0.0))
        return np.where(self.valid, distances, np.inf), total

    def _test(self, chosen: NDArray[np.intp], total: Doubles, tested: Flags) -> tuple[Flags, Flags]:
        """Test a point of each pixel, once: it is the median, or a better start, or never reached again.

        Returns:
            The pixels that are done, and those that now start near this point.
        """
        done, moved = np.zeros(total.shape, np.bool_), np.zeros(total.shape, np.bool_)
        fresh = np.flatnonzero(~tested[chosen, np.arange(total.size)])
        if not fresh.size:
            return done, moved
        tested[chosen[fresh], fresh] = True
        part = self._only(fresh)
        point: Doubles = part.points[chosen[fresh], :, np.arange(fresh.size)].T
        apart, (distances, sums) = part.points - point, part._distances(point)
        same = distances == 0
        weights = np.divide(1.0, distances, out=np.zeros_like(distances), where=~same & part.valid)
        pull, equal = _sum(weights[:, np.newaxis] * apart), np.count_nonzero(same, axis=0)
        force = _length(pull)
        is_median = force <= equal
        better = ~is_median & (sums <= total[fresh])
        with np.errstate(divide="ignore", invalid="ignore"):
            beside = point + (1 - equal / force) * pull / _sum(weights)
        at = np.where(is_median, point, np.where(better, beside, part.at))
        self.at[:, fresh], done[fresh], moved[fresh] = at, is_median, better
        return done, moved


def _hessian(apart: Doubles, weights: Doubles, weight: Doubles) -> list[list[Doubles]]:
    """The lower half of the Hessian of the sum of distances, divided by the sum of the weights."""
    directions = apart * weights[:, np.newaxis]
    rows: list[list[Doubles]] = []
    for one in range(apart.shape[1]):
        weighted = directions[:, one] * weights
        rows.append([-_sum(weighted * directions[:, other]) / weight for other in range(one + 1)])
        rows[one][one] += 1 + RIDGE
    return rows


def _solve(matrix: list[list[Doubles]], right: Doubles) -> Doubles:
    """Solve equations by Cholesky's decomposition, for each pixel: the lower half of a matrix, and (bands, pixels)."""
    size = len(matrix)
    lower: list[list[Doubles]] = []
    half: list[Doubles] = []
    for one in range(size):
        lower.append([])
        for other in range(one):
            rest = reduce(np.subtract, (lower[one][k] * lower[other][k] for k in range(other)), matrix[one][other])
            lower[one].append(rest / lower[other][other])
        pivot = reduce(np.subtract, (np.square(each) for each in lower[one]), matrix[one][one])
        lower[one].append(np.sqrt(np.maximum(pivot, RIDGE)))
        rest = reduce(np.subtract, (lower[one][k] * half[k] for k in range(one)), right[one])
        half.append(rest / lower[one][one])
    found = list(half)
    for one in reversed(range(size)):
        rest = reduce(np.subtract, (lower[k][one] * found[k] for k in range(one + 1, size)), half[one])
        found[one] = rest / lower[one][one]
    return np.stack(found)
