"""Detects clouds in the bands of Sentinel-2 scenes without a mask, with the model of s2cloudless.

The package has a gradient-boosted model of single pixels (https://github.com/sentinel-hub/sentinel2-cloud-detector),
which LightGBM evaluates. s2cloudless itself is not imported, because it imports a client of Sentinel Hub.
"""

from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.sources.masks import mask_codes
from mosaic_worker.sources.readers.open_sources import OpenSources, WindowToRead
from mosaic_worker.sources.readers.reading import codes_on_grid, mask_pieces, read_band, windows_of_band
from mosaic_worker.sources.scenes import Detection
from mosaic_worker.version import detector_versions

if TYPE_CHECKING:
    from lightgbm import Booster

BANDS = (
    "coastal", "blue", "red", "rededge071", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22",
)  # fmt: skip
"""B01, B02, B04, B05, B08, B8A, B09, B10, B11 and B12, in the order of the model."""
AVERAGE = 4
"""Radius in pixels of the disc over which probabilities are averaged, as in the examples of the authors at 60 m."""
SIDE = 128
"""The maximum width and height, in pixels, of what is detected at once: a limit of memory that changes no pixel."""
_MODEL = Path("models") / "pixel_s2_cloud_detector_lightGBM_v0.1.txt"
_INSTALL = "install mosaic-operator[s2cloudless], or build the images with it: make images EXTRA=s2cloudless"


def check_detector() -> None:
    """Check that clouds can be detected here.

    Raises:
        RequestError: the packages are not installed, or cannot be loaded.
    """
    _model_file()
    try:
        import lightgbm  # noqa: F401, PLC0415 (few requests need it)
    except (ImportError, OSError) as error:
        raise RequestError(f"spec.composite.detect: LightGBM cannot be loaded ({error}); {_INSTALL}") from None


def read_detection(
    sources: OpenSources, detection: Detection, grid: Grid, composite: Composite, where: str
) -> NDArray[np.uint8]:
    """Detected clouds on a grid, as `reading.read_mask`: uint8 (height, width), CLEAR, FLAGGED or UNKNOWN.

    They are detected on the pixels of the coarsest band, so they do not depend on the grid. UNKNOWN is where a band has
    no data, and everything outside the scene.
    """
    return codes_on_grid(detection.grid, lambda window: _codes(sources, detection, window, composite, where), grid)


def detection_windows(detection: Detection, grid: Grid) -> Iterator[WindowToRead]:
    """The windows that `read_detection` reads."""
    image = detection.grid
    for piece in mask_pieces(image, grid):
        for window in piece.windows:
            around = _around(window, image)
            part = image.window(around.left, around.top, around.right - around.left, around.bottom - around.top)
            for band in detection.bands:
                yield from windows_of_band(band, part, None)


def average(values: NDArray[np.float32], radius: int) -> NDArray[np.float64]:
    """The mean over a disc around each pixel: float64, NaN where the pixel is.

    Sums are made in a fixed order, so that a mean is the same in all windows that contain its disc.

    Args:
        values: (height, width); NaN, and what is outside, does not count.
        radius: pixels, from centre to centre.
    """
    height, width = values.shape
    known = np.isfinite(values)
    padded = np.pad(np.where(known, values, 0).astype(np.float64), radius)
    counted = np.pad(known, radius).astype(np.float64)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    steps = range(-radius, radius + 1)
    for down in steps:
        for across in steps:
            if down * down + across * across <= radius * radius:
                part = np.s_[radius + down : radius + down + height, radius + across : radius + across + width]
                total += padded[part]
                count += counted[part]
    with np.errstate(invalid="ignore"):
        return np.where(known, total / count, np.nan)


def _codes(
    sources: OpenSources, detection: Detection, window: Window, composite: Composite, where: str
) -> NDArray[np.uint8]:
    """The codes of a window of the pixels on which clouds are detected."""
    found = np.empty((window.bottom - window.top, window.right - window.left), np.uint8)
    for top in range(window.top, window.bottom, SIDE):
        for left in range(window.left, window.right, SIDE):
            part = Window(left, top, min(left + SIDE, window.right), min(top + SIDE, window.bottom))
            around = _around(part, detection.grid)
            means = average(_probabilities(sources, detection, around, where), AVERAGE)
            found[_within(part, window)] = mask_codes(means[_within(part, around)], "probability", composite)
    return found


def _probabilities(sources: OpenSources, detection: Detection, window: Window, where: str) -> NDArray[np.float32]:
    """The probability of cloud of each pixel of a window, from 0 to 1; NaN where a band has no data."""
    grid = detection.grid.window(window.left, window.top, window.right - window.left, window.bottom - window.top)
    found = np.full(grid.shape, np.nan, np.float32)
    values = []
    for band in detection.bands:
        read = read_band(sources, band, grid, None, where)
        if read is None:
            return found
        values.append(read)
    stack = np.stack(values, axis=-1)
    known = np.isfinite(stack).all(axis=-1)
    if known.any():
        found[known] = _model(detection.versions).predict(stack[known], num_threads=1)
    return found


def _around(window: Window, image: Grid) -> Window:
    """A window with the pixels that the average of its own needs."""
    return Window(window.left - AVERAGE, window.top - AVERAGE, window.right + AVERAGE, window.bottom + AVERAGE).clipped(
        image.width, image.height
    )


def _within(part: Window, window: Window) -> tuple[slice, slice]:
    """The rows and columns of a part in a window that contains it."""
    rows = slice(part.top - window.top, part.bottom - window.top)
    return rows, slice(part.left - window.left, part.right - window.left)


@lru_cache(maxsize=1)
def _model(versions: tuple[str, ...]) -> "Booster":
    """The model of these versions of the packages."""
    check_detector()
    if versions != detector_versions():
        raise RequestError(
            f"spec.composite.detect: the plan needs {' and '.join(versions)}, and here is "
            f"{' and '.join(detector_versions())}, because the worker image changed under its tag; delete the request "
            "and apply it again"
        )
    from lightgbm import Booster  # noqa: PLC0415 (few requests need it)

    return Booster(model_file=_model_file())


def _model_file() -> Path:
    package = find_spec("s2cloudless")
    if package is None or package.origin is None or find_spec("lightgbm") is None:
        raise RequestError(f"spec.composite.detect: s2cloudless is not installed here; {_INSTALL}")
    return Path(package.origin).parent / _MODEL
