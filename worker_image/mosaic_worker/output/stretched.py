"""A level of the mosaic in 8 bits, for the picture; each part is decoded and stretched once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from mosaic_worker.geometry.sampling import Window
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.overviews import Floats
from mosaic_worker.output.parts import decode_level
from mosaic_worker.output.tone import LINEAR, STEPS, Tone

CACHE_BYTES = 256 * 2**20
"""The cache of stretched parts."""
LARGEST_GAIN = float(np.finfo(np.float32).max)
"""Maximum colours per unit of the values, so that products stay finite."""
CACHE_ROWS = 32
"""Rows that are stretched together, so that they stay in the cache of a core."""

Bytes = NDArray[np.uint8]
Limits = Sequence[tuple[float, float]]
"""The values of the first and last colour, for each band of the picture."""


class StretchedLevel:
    """A level of the bands of a picture. It is thread-safe.

    Attributes:
        bands: the number of bands: one or three.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        level: int,
        encoding: Encoding,
        read_part: Callable[[int], bytes],
        stretch: Limits,
        shown: Sequence[int],
        tone: Tone = LINEAR,
    ) -> None:
        """`read_part` returns the bytes of the level of a tile; `shown` are the positions of the picture's bands."""
        self.bands = len(shown)
        self._shown = shown
        self._tiles, self._level, self._encoding, self._read_part = tiles, level, encoding, read_part
        self._stretch, self._tone = stretch, tone
        self._columns = tiles[-1].column + 1
        self._side = max(tiles[0].width, tiles[0].height) >> level
        self._kept: OrderedDict[int, Future[Bytes]] = OrderedDict()
        self._most = max(2 * self._columns, CACHE_BYTES // (self.bands * self._side**2))
        self._keeping = threading.Lock()

    def prepare(self, windows: Iterable[Window]) -> None:
        """Decode the parts of some windows that no other thread decodes; threads with the same parts share the work."""
        for row, column in {place: None for window in windows for place in self._places(window)}:
            self._part(row * self._columns + column)

    def read(self, window: Window) -> Bytes:
        """The pixels of a window within the level: uint8 (bands, height, width)."""
        found = np.empty((self.bands, window.bottom - window.top, window.right - window.left), np.uint8)
        for row, column in self._places(window):
            part = self._part(row * self._columns + column).result()
            x, y = column * self._side, row * self._side
            left, top = max(window.left, x), max(window.top, y)
            right, bottom = min(window.right, x + self._side), min(window.bottom, y + self._side)
            found[:, top - window.top : bottom - window.top, left - window.left : right - window.left] = part[
                :, top - y : bottom - y, left - x : right - x
            ]
        return found

    def _places(self, window: Window) -> Iterator[tuple[int, int]]:
        """The row and column of each part of a window."""
        for row in range(window.top // self._side, -(-window.bottom // self._side)):
            for column in range(window.left // self._side, -(-window.right // self._side)):
                yield row, column

    def _part(self, index: int) -> Future[Bytes]:
        """A part. The first caller decodes it; the least recently used one is dropped."""
        with self._keeping:
            first = index not in self._kept
            future = self._kept.setdefault(index, Future())
            self._kept.move_to_end(index)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        if first:
            try:
                values = decode_level(self._read_part(index), self._encoding, self._shown)
                future.set_result(stretch_to_bytes(values, self._stretch, self._tone))
            except BaseException as error:
                future.set_exception(error)
        return future


def stretch_to_bytes(values: Floats, stretch: Limits, tone: Tone = LINEAR) -> Bytes:
    """Map values (bands, height, width) to 1 to 255 between the limits of their band; 0 for no data.

    Values beyond the limits get the first or the last colour; with a shoulder, those above are compressed.
    """
    found = np.empty(values.shape, np.uint8)
    for band, (lower, upper) in enumerate(stretch):
        for row in range(0, values.shape[1], CACHE_ROWS):
            rows = values[band, row : row + CACHE_ROWS]
            if upper > lower:
                found[band, row : row + CACHE_ROWS] = _coloured(rows, lower, upper, tone)
            else:
                found[band, row : row + CACHE_ROWS] = np.where(np.isnan(rows), 0, 128)
    return found


def _coloured(rows: Floats, lower: float, upper: float, tone: Tone) -> Floats | Bytes:
    """The colours of some rows of a band; 0 for no data."""
    steps = 254 if tone == LINEAR else STEPS - 1
    share = rows - np.float32(lower)
    with np.errstate(over="ignore"):  # limits can be extremely close
        share *= np.float32(min(steps / tone.last / (upper - lower), LARGEST_GAIN))
    np.rint(np.clip(share, 0, steps, out=share), out=share)
    if tone == LINEAR:
        share += 1
        np.fmax(share, 0, out=share)  # 0 for NaN
        return share
    missing = np.isnan(share)
    share[missing] = 0
    colours: Bytes = tone.table[share.astype(np.uint16)]
    colours[missing] = 0
    return colours
