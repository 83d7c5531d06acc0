"""Statistics of a mosaic from those of its tiles: independent of the tiles, exact except for percentiles."""

import math
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

from mosaic_worker.pixels.bins import Bins, bin_edges, bin_numbers

Floats = NDArray[np.float32]
ITEM_BINS = 256
STRIP = 1 << 16
"""Pixels that are processed together, so that they stay in the cache of a core."""


def _packed(counts: NDArray[np.integer]) -> str:
    return b64encode(zlib.compress(counts.astype("<u4").tobytes(), 1)).decode()


def _unpacked(packed: object) -> NDArray[np.uint32]:
    return np.frombuffer(zlib.decompress(b64decode(str(packed))), "<u4")


Counts = Annotated[NDArray[np.integer], PlainValidator(_unpacked), PlainSerializer(_packed)]
"""Values per bin. Those of a tile fit into 32 bits, in JSON and in memory; in JSON they are compressed, because most
bins are empty or equal."""


@dataclass(frozen=True, eq=False)
class BandTotals:
    """The totals of a band of a tile or mosaic.

    Attributes:
        pixels: the number of pixels in the area of the request.
        valid: the number of pixels with a value.
        minimum, maximum: of the values; 0 without values.
        total: the sum of the values.
        deviation: the sum of squared deviations from their mean.
        first: the first bin in `counts`.
        counts: values per bin, from the first to the last bin with values.
        overflow: the number of values that do not fit the data type; they are stored as "no data" and are not valid.
    """

    pixels: int
    valid: int
    minimum: float
    maximum: float
    total: float
    deviation: float
    first: int
    counts: Counts
    overflow: int = 0


@dataclass(frozen=True)
class TileStatistics:
    """The totals of the bands of a tile, and the number of values that were discarded as out of range."""

    bins: Bins
    bands: tuple[BandTotals, ...]
    out_of_range: int


NO_STATISTICS = TileStatistics("float32", (), 0)


@dataclass(frozen=True, eq=False)
class BandStatistics(BandTotals):
    """A band of a mosaic."""

    bins: Bins = "float32"

    @property
    def mean(self) -> float:
        """The mean; 0 without values."""
        return self.total / self.valid if self.valid else 0.0

    @property
    def stddev(self) -> float:
        """The population standard deviation; 0 without values."""
        return math.sqrt(self.deviation / self.valid) if self.valid else 0.0

    @property
    def valid_percent(self) -> float:
        """Pixels with a value, percent of the pixels in the area; 0 without pixels."""
        return 100 * self.valid / self.pixels if self.pixels else 0.0

    def percentile(self, percent: float) -> float:
        """A percentile, with an error of at most the width of a bin; exact at 0 and 100."""
        if not self.valid or percent <= 0:
            return self.minimum
        if percent >= 100:
            return self.maximum
        place, share = self._bin_of(percent)
        lower, upper = bin_edges(self.bins, np.array(self.first + place))
        return min(max(float(lower + (upper - lower) * share), self.minimum), self.maximum)

    def percentile_error(self, percent: float) -> float:
        """The maximum error of `percentile`: the width of the bin; 0 at 0 and 100 percent."""
        if not self.valid or percent <= 0 or percent >= 100:
            return 0.0
        lower, upper = bin_edges(self.bins, np.array(self.first + self._bin_of(percent)[0]))
        return float(upper - lower)

    def _bin_of(self, percent: float) -> tuple[int, float]:
        """The bin in `counts` of a percentile, and the position in the bin, 0 to 1."""
        below = np.cumsum(self.counts)
        wanted = self.valid * percent / 100
        place = int(np.searchsorted(below, wanted, side="left"))
        inside = int(self.counts[place])
        return place, (wanted - (int(below[place]) - inside)) / inside

    def item_histogram(self) -> dict[str, Any]:
        """The histogram for the raster extension of STAC: 256 buckets from the minimum to the maximum."""
        low, high = self.minimum, self.maximum
        width = (high - low) / ITEM_BINS or 1.0
        buckets = np.zeros(ITEM_BINS, np.int64)
        filled = np.flatnonzero(self.counts)
        lower, upper = bin_edges(self.bins, self.first + filled)
        places = np.clip(((lower + upper) / 2 - low) / width, 0, ITEM_BINS - 1).astype(np.int64)
        np.add.at(buckets, places, self.counts[filled])
        return {"count": ITEM_BINS, "min": low, "max": high, "buckets": buckets.tolist()}


@dataclass(frozen=True)
class MosaicStatistics:
    """The bands of the product, and the number of values that were discarded as out of range."""

    bands: tuple[BandStatistics, ...]
    out_of_range: int


def measure(
    values: Floats,
    *,
    normalised_difference: bool,
    out_of_range: int,
    overflow: Sequence[int] | None = None,
    inside: int | None = None,
) -> TileStatistics:
    """The statistics of the values of a tile as they are stored.

    Args:
        values: float32 (bands, height, width), NaN for no data.
        normalised_difference: whether they are in [-1, 1].
        out_of_range: the number of discarded values of a normalised difference.
        overflow: for each band, the number of values that do not fit the data type; 0 if None.
        inside: the number of pixels in the area of the request; all if None.
    """
    bins: Bins = "normalised difference" if normalised_difference else "float32"
    lost = [0] * len(values) if overflow is None else overflow
    bands = [replace(_totals(band, bins), overflow=count) for band, count in zip(values, lost, strict=True)]
    if inside is not None:
        bands = [replace(band, pixels=inside) for band in bands]
    return TileStatistics(bins, tuple(bands), out_of_range)


def merge(tiles: Sequence[TileStatistics]) -> MosaicStatistics:
    """The statistics of a mosaic from those of its tiles, independent of their order."""
    sums = StatisticsSums()
    for tile in tiles:
        sums.add(tile)
    return sums.merged()


class StatisticsSums:
    """Merges the statistics of tiles one by one, so that a histogram is only in memory until it is added."""

    def __init__(self) -> None:
        self._bins: Bins = "float32"
        self._bands: list[_BandSums] = []
        self._out_of_range = 0

    def add(self, tile: TileStatistics) -> None:
        """Add a tile. The order does not matter."""
        self._bins = tile.bins
        self._bands = self._bands or [_BandSums() for _ in tile.bands]
        for sums, band in zip(self._bands, tile.bands, strict=True):
            sums.add(band)
        self._out_of_range += tile.out_of_range

    def merged(self) -> MosaicStatistics:
        """The statistics of all tiles together."""
        bands = tuple(BandStatistics(**vars(sums.totals()), bins=self._bins) for sums in self._bands)
        return MosaicStatistics(bands, self._out_of_range)


def _totals(band: Floats, bins: Bins) -> BandTotals:
    flat = band.ravel()
    return _merged([_totals_of_strip(flat[start : start + STRIP], bins) for start in range(0, flat.size, STRIP)])


def _totals_of_strip(strip: Floats, bins: Bins) -> BandTotals:
    missing = np.isnan(strip)
    found = strip[~missing] if missing.any() else strip
    if not found.size:
        return BandTotals(strip.size, 0, 0.0, 0.0, 0.0, 0.0, 0, np.zeros(0, np.int64))
    exact = found.astype(np.float64)
    total = float(exact.sum())
    numbers = bin_numbers(found, exact, bins)
    first = int(numbers.min())
    exact -= total / found.size  # squares of large values would lose precision
    return BandTotals(
        pixels=strip.size,
        valid=found.size,
        minimum=float(found.min()),
        maximum=float(found.max()),
        total=total,
        deviation=float(np.square(exact, out=exact).sum()),
        first=first,
        counts=np.bincount(numbers - first),
    )


def _merged(bands: Sequence[BandTotals]) -> BandTotals:
    sums = _BandSums()
    for band in bands:
        sums.add(band)
    return sums.totals()


class _BandSums:
    """The totals of a band: exact for integers, and for floats with one rounding at the end, in any order."""

    def __init__(self) -> None:
        self._pixels = self._overflow = self._first = 0
        self._counts = np.zeros(0, np.int64)
        self._filled: list[tuple[int, float, float]] = []
        self._minimum, self._maximum = math.inf, -math.inf

    def add(self, band: BandTotals) -> None:
        self._pixels += band.pixels
        self._overflow += band.overflow
        if not band.valid:
            return
        self._filled.append((band.valid, band.total, band.deviation))
        self._minimum, self._maximum = min(self._minimum, band.minimum), max(self._maximum, band.maximum)
        self._make_room(band.first, band.first + len(band.counts))
        start = band.first - self._first
        self._counts[start : start + len(band.counts)] += band.counts

    def _make_room(self, first: int, last: int) -> None:
        """Let the counts reach from one bin to another."""
        if not self._counts.size:
            self._first = first
        before, after = self._first - first, last - (self._first + len(self._counts))
        if before > 0 or after > 0:
            self._counts = np.pad(self._counts, (max(0, before), max(0, after)))
            self._first = min(first, self._first)

    def totals(self) -> BandTotals:
        valid, total = sum(each[0] for each in self._filled), math.fsum(each[1] for each in self._filled)
        return BandTotals(
            pixels=self._pixels,
            valid=valid,
            minimum=self._minimum if valid else 0.0,
            maximum=self._maximum if valid else 0.0,
            total=total,
            deviation=math.fsum(
                deviation + found * (part / found - total / valid) ** 2 for found, part, deviation in self._filled
            ),
            first=self._first,
            counts=self._counts,
            overflow=self._overflow,
        )
