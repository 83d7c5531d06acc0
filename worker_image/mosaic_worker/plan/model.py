"""The plan of a mosaic."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from mosaic_crds.bands import picture_bands
from mosaic_crds.composite import Composite
from mosaic_crds.source import OnUnreadable
from mosaic_crds.spec import Fixed, Output, Stretch
from mosaic_crds.spec import Product as ProductSpec
from pydantic import TypeAdapter
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from mosaic_worker.composites import METHODS
from mosaic_worker.composites.method import CompositeMethod
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, kernel_for
from mosaic_worker.geometry.tiling import Tile, tiles_of
from mosaic_worker.output.colours import Colours, colours_of
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.overviews import FIRST, MEAN
from mosaic_worker.plan.bands import band_names, composed_bands, deviation_names, product_bands
from mosaic_worker.plan.feathering import feather_pixels
from mosaic_worker.plan.packing import NUMBERS, REFLECTANCES, Packing, packing_of, packing_of_difference
from mosaic_worker.plan.scenes import PlannedScene, Subtracted
from mosaic_worker.product import Product, product_of
from mosaic_worker.product.bands import canonical
from mosaic_worker.sources.readers.overviews import image_to_read
from mosaic_worker.sources.scenes import Band, Detection, Scene, Unreadable

NUMBERS_OF_CLASSES = Stretch(fixed=Fixed(lower=1.0, upper=255.0))
"""The stretch with which the numbers 1 to 255 are the colours 1 to 255."""


@dataclass(frozen=True)
class Estimate:
    """A rough estimate of a mosaic."""

    core_seconds: float
    bytes: int


@dataclass(frozen=True)
class Plan:
    """The input of the steps tiles and finalize.

    Attributes:
        code: the version of the code that made the plan; only the same code may use it.
        uid, name, namespace: of the request.
        product, composite, output: as in the request.
        resampling: the kernel in the request, if any.
        grid: the grid of the mosaic.
        block: the side of the blocks of the COG, pixels.
        tile_side: pixels.
        ranges: tiles [start, stop) of each completion index.
        scenes: in the order of the composite method; after those of the mosaic, those of the one that is subtracted.
        area: GeoJSON geometry in the CRS of the grid; no data outside. None for the whole grid.
        calibrated: whether the bands have reflectances (or other physical values) instead of stored numbers.
        estimate: the estimate.
        warnings: sentences for the user.
        on_unreadable: what happens if a scene proves unreadable while tiles are computed.
        unreadable: scenes that planning skipped.
        shared: whether its tiles are shared with other requests of the namespace.
        subtracted: the mosaic that is subtracted (`spec.minus`), if any.
    """

    code: str
    uid: str
    name: str
    namespace: str
    product: ProductSpec
    composite: Composite
    output: Output
    resampling: Kernel | None
    grid: Grid
    block: int
    tile_side: int
    ranges: tuple[tuple[int, int], ...]
    scenes: tuple[PlannedScene, ...]
    area: dict[str, Any] | None
    calibrated: bool
    estimate: Estimate
    warnings: tuple[str, ...]
    on_unreadable: OnUnreadable = "fail"
    unreadable: tuple[Unreadable, ...] = ()
    shared: bool = False
    subtracted: Subtracted | None = None

    @cached_property
    def tiles(self) -> list[Tile]:
        """All tiles by their index."""
        return tiles_of(self.grid, self.tile_side)

    @cached_property
    def feather(self) -> int:
        """The width of blending along the edges between scenes, pixels; 0 for none."""
        return feather_pixels(self.composite.feather, self.grid)

    def around(self, tile: Tile) -> Tile:
        """A tile with the halo that blending needs, within the mosaic."""
        width = self.feather
        left, top = max(0, tile.x - width), max(0, tile.y - width)
        right = min(self.grid.width, tile.x + tile.width + width)
        bottom = min(self.grid.height, tile.y + tile.height + width)
        return replace(tile, x=left, y=top, width=right - left, height=bottom - top)

    @property
    def all_scenes(self) -> list[Scene]:
        """The scenes in order."""
        return [planned.scene for planned in self.scenes]

    @property
    def sides(self) -> list[range]:
        """The numbers of the scenes of the mosaic and, for a difference, of the one that is subtracted."""
        last = len(self.scenes) + 1
        if self.subtracted is None:
            return [range(1, last)]
        first = last - self.subtracted.scenes
        return [range(1, first), range(first, last)]

    @property
    def scenes_of_sides(self) -> list[list[Scene]]:
        """The scenes of each of `sides`."""
        return [[self.scenes[number - 1].scene for number in side] for side in self.sides]

    @cached_property
    def formula(self) -> Product:
        """The product, ready to compute."""
        return product_of(self.product)

    @property
    def title(self) -> str:
        """The product for people."""
        difference = "" if self.subtracted is None else " difference"
        return self.formula.title + difference + (" classes" if self.product.classes else "")

    @property
    def product_bands(self) -> tuple[str, ...]:
        """The names of the bands of the product in the mosaic."""
        return product_bands(self.formula, difference=self.subtracted is not None)

    @property
    def normalised_difference(self) -> bool:
        """Whether all values are in [-1, 1]."""
        return self.formula.normalised_difference and self.subtracted is None

    @property
    def method(self) -> CompositeMethod:
        """The composite method."""
        return METHODS[self.composite.method]

    @property
    def most_observations(self) -> int | None:
        """The number of valid observations after which a pixel does not change; None if each can change it."""
        return self.method.most_observations(self.composite)

    @property
    def compared_layers(self) -> int:
        """The number of layers to compare, in addition to the composed ones."""
        return self.method.compared_layers(self.composite.of, self.formula.input_bands)

    @property
    def composed_bands(self) -> tuple[str, ...]:
        """The bands that are composed: those of the product, or its input bands."""
        return composed_bands(self.formula, self.composite)

    @property
    def input_bands(self) -> tuple[str, ...]:
        """The bands that are read of each scene."""
        return self.method.bands_to_read(self.formula.input_bands)

    def image_of(self, band: Band) -> tuple[int | None, Grid]:
        """What is read of a band: an overview (None for the image), and its grid."""
        return image_to_read(band, self.grid, kernel_for(band.header.grid, self.grid, self.resampling))

    @cached_property
    def shape_of_area(self) -> BaseGeometry | None:
        """The area in the CRS of the grid; None for the whole grid."""
        return None if self.area is None else shape(self.area)

    @property
    def picture(self) -> tuple[int, ...]:
        """The positions of the bands of the picture, one or three, among those of the product."""
        bands, chosen = self.formula.output_bands, self.output.picture or ()
        return tuple(bands.index(name) for name in picture_bands(bands, [canonical(name) for name in chosen]))

    @property
    def detects_clouds(self) -> bool:
        """Whether clouds are detected in any scene."""
        return any(isinstance(scene.mask, Detection) for scene in self.all_scenes)

    @property
    def detector_versions(self) -> tuple[str, ...]:
        """The name and version of each package that detects clouds."""
        found = [scene.mask.versions for scene in self.all_scenes if isinstance(scene.mask, Detection)]
        return found[0] if found else ()

    @property
    def band_names(self) -> tuple[str, ...]:
        """The bands of the mosaic: see `band_names`."""
        return band_names(self.formula, self.composite, difference=self.subtracted is not None)

    @cached_property
    def encoding(self) -> Encoding:
        """How the mosaic is stored. Overviews of classes, count and scene have no means."""
        if self.formula.classifier is not None:
            return Encoding("uint8", (1.0,), (FIRST,), self.block)
        product = self.formula.output_bands
        means = len(product) + len(deviation_names(self.composite))
        packings = [*map(self._packing, product), *[NUMBERS] * (len(self.band_names) - len(product))]
        return Encoding(
            dtype=self.output.dtype,
            scales=tuple(packing.scale for packing in packings),
            reductions=(*[MEAN] * means, *[FIRST] * (len(self.band_names) - means)),
            block=self.block,
            offsets=tuple(packing.offset for packing in packings),
        )

    @property
    def stretch(self) -> Stretch:
        """The values of the first and the last colour; numbers of classes are colours."""
        return self.colours.stretch if self.product.classes is None else NUMBERS_OF_CLASSES

    @cached_property
    def colours(self) -> Colours:
        """The colours of the picture."""
        return colours_of(
            self.formula,
            [self.formula.output_bands[number] for number in self.picture],
            self.output,
            reflectances=self._has_reflectances,
            difference=self.subtracted is not None,
        )

    @property
    def _has_reflectances(self) -> bool:
        """Whether the bands of a product of bands are reflectances."""
        if self.formula.kind != "bands" or not self.calibrated:
            return False
        shown = [self.formula.output_bands[number] for number in self.picture]
        bands = [[scene.bands[name] for scene in self.all_scenes] for name in shown]
        return all(packing_of(each) == REFLECTANCES for each in bands)

    def _packing(self, name: str) -> Packing:
        """How a band of the product is stored."""
        if self.output.dtype == "float32":
            return NUMBERS
        if self.formula.kind != "bands":
            return REFLECTANCES
        packing = packing_of if self.subtracted is None else packing_of_difference
        return packing([scene.bands[name] for scene in self.all_scenes])

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the plan in the store."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """The plan for the store."""
        return _PLAN.dump_json(self, by_alias=True)

    @staticmethod
    def from_json(text: bytes) -> "Plan":
        """The plan from the store."""
        return _PLAN.validate_json(text)

    def summary(self) -> dict[str, int | float]:
        """`status.plan` of the request."""
        return {
            "tiles": len(self.tiles),
            "ranges": len(self.ranges),
            "scenes": len(self.scenes),
            "megapixels": round(self.grid.pixels / 1e6, 3),
            "estimatedCoreSeconds": round(self.estimate.core_seconds),
            "estimatedBytes": self.estimate.bytes,
        }


_PLAN = TypeAdapter(Plan)
