"""Keeps the COGs of mosaics and datasets open while they are used."""

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import numpy as np
import rasterio
from mosaic_crds.errors import PassingError
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.store import Store
from mosaic_worker.store.directory import DirectoryStore
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from mosaic_api.web.problems import NotFound

MOST_IDLE = 64
"""Open files that no thread uses; each also has blocks in GDAL's cache."""
SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "1"}
"""GDAL must not look for other files, and enough threads use it."""

Level = tuple[str, int]
"""A COG's key, and its level: 0 is the full size, 1 the first overview, …"""


class OpenCogs:
    """Opens levels of COGs for one thread at a time; prefers the one used last, whose blocks are cached."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._idle: OrderedDict[int, tuple[Level, DatasetReader]] = OrderedDict()
        self._taking = threading.Lock()
        self._opening = threading.Lock()

    def read(self, key: str, level: int, bands: Sequence[int], window: Window) -> NDArray[np.generic]:
        """The stored numbers of bands, by their positions, in a window within a level: (bands, height, width).

        Raises:
            NotFound: the COG does not exist any more.
        """
        place = ((window.top, window.bottom), (window.left, window.right))
        with self.taken(key, level) as dataset:
            found: NDArray[np.generic] = dataset.read([number + 1 for number in bands], window=place)
            return found

    def overviews(self, key: str) -> int:
        """The number of overviews of a COG; raises like `read`."""
        with self.taken(key) as dataset:
            return len(dataset.overviews(1))

    def close(self) -> None:
        """Close the files that no thread uses."""
        with self._taking:
            while self._idle:
                self._idle.popitem()[1][1].close()

    @contextmanager
    def taken(self, key: str, number: int = 0) -> Iterator[DatasetReader]:
        """A level of a COG, for this thread alone; raises like `read`."""
        level = (key, number)
        with self._explained(key):
            dataset = self._take(level) or self._open(level)
            try:
                yield dataset
            except BaseException:
                dataset.close()  # it may be unusable after an error
                raise
        with self._taking:
            self._idle[id(dataset)] = (level, dataset)
            while len(self._idle) > MOST_IDLE:
                self._idle.popitem(last=False)[1][1].close()

    def _take(self, level: Level) -> DatasetReader | None:
        with self._taking:
            for number, (held, _) in reversed(self._idle.items()):
                if held == level:
                    return self._idle.pop(number)[1]
        return None

    def _open(self, level: Level) -> DatasetReader:
        key, number = level
        options = {"driver": "GTiff"} | ({} if number == 0 else {"OVERVIEW_LEVEL": number - 1})
        with rasterio.Env(**SETTINGS):
            if isinstance(self._store, DirectoryStore):
                return rasterio.open(unquote(urlsplit(self._store.location(key)).path), **options)
            with self._opening:  # rasterio supports one opener of a path at a time
                return rasterio.open(key, opener=self._opened, **options)

    def _opened(self, path: str, mode: str = "rb") -> io.BufferedReader:  # noqa: ARG002 (the interface's)
        return self._store.open(path)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except RasterioIOError:
            if self._store.read(key, 0, 1) is None:
                raise NotFound("the files are no longer in the store; request or upload it again") from None
            raise PassingError("the store cannot be read now; try again later") from None
