"""The plan: everything about a mosaic that is decided once, before any pixel is read."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mosaic_crds.composite import Composite
from mosaic_crds.source import OnUnreadable
from mosaic_crds.spec import Output
from mosaic_crds.spec import Product as ProductSpec
from pydantic import TypeAdapter
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from mosaic_worker.composites import METHODS
from mosaic_worker.composites.method import CompositeMethod
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, Window, kernel_for
from mosaic_worker.geometry.tiling import Tile, tiles_of
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.overviews import FIRST, MEAN
from mosaic_worker.plan.packing import NUMBERS, REFLECTANCES, Packing, packing_of
from mosaic_worker.product import Product, product_of
from mosaic_worker.sources.readers.overviews import image_to_read
from mosaic_worker.sources.scenes import Band, Scene, Unreadable


@dataclass(frozen=True)
class PlannedScene:
    """A scene, and the pixels of the mosaic that it may touch."""

    scene: Scene
    window: Window

    def touches(self, tile: Tile) -> bool:
        """Whether it may have pixels in a tile."""
        window = self.window
        return (
            window.left < tile.x + tile.width
            and window.right > tile.x
            and window.top < tile.y + tile.height
            and window.bottom > tile.y
        )


@dataclass(frozen=True)
class Estimate:
    """What a mosaic is expected to take, roughly."""

    core_seconds: float
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What the steps tiles and finalize read.

    Attributes:
        code: the version of the code that made the plan; only the same code may use it.
        uid, name, namespace: of the request.
        product, composite, output: as in the request; the source is resolved into the scenes.
        resampling: the kernel of the request, if it names one.
        grid: the mosaic's pixels.
        block: the side of the COG's blocks, pixels.
        tile_side: pixels.
        ranges: tiles [start, stop) of each completion index.
        scenes: in order of preference, or as given where the method has none.
        area: GeoJSON geometry in the grid's CRS outside which there is no data; None for the whole grid.
        calibrated: whether the bands hold reflectances (or other physical values) instead of stored numbers.
        estimate: what it is expected to take.
        warnings: sentences for the user.
        on_unreadable: what happens when a scene proves unreadable while tiles are computed.
        unreadable: scenes that were skipped because they could not be read for the plan.
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

    @cached_property
    def tiles(self) -> list[Tile]:
        """All tiles by their index."""
        return tiles_of(self.grid, self.tile_side)

    @property
    def scenes_found(self) -> int:
        """How many scenes the request has here, with those that were skipped."""
        return len(self.scenes) + len(self.unreadable)

    @property
    def all_scenes(self) -> list[Scene]:
        """The scenes, in their order."""
        return [planned.scene for planned in self.scenes]

    @cached_property
    def formula(self) -> Product:
        """The product, ready to compute."""
        return product_of(self.product)

    @property
    def method(self) -> CompositeMethod:
        """The composite method."""
        return METHODS[self.composite.method]

    @property
    def compared_layers(self) -> int:
        """How many layers scenes are compared by, in addition to those that are composed."""
        return self.method.compared_layers(self.composite.of, self.formula.input_bands)

    @property
    def input_bands(self) -> tuple[str, ...]:
        """The bands that are read of each scene."""
        return self.method.bands_to_read(self.formula.input_bands)

    def image_of(self, band: Band) -> tuple[int | None, Grid]:
        """What is read of a band: an overview by its number, or None for the image itself; and its pixels."""
        return image_to_read(band, self.grid, kernel_for(band.header.grid, self.grid, self.resampling))

    @cached_property
    def shape_of_area(self) -> BaseGeometry | None:
        """The area's geometry in the grid's CRS, if there is data only within."""
        return None if self.area is None else shape(self.area)

    @property
    def band_names(self) -> tuple[str, ...]:
        """The bands of the mosaic: the product's, then what the composite adds."""
        extra = (("count",) if self.composite.count else ()) + (("scene",) if self.composite.chosen else ())
        return self.formula.output_bands + extra

    @cached_property
    def encoding(self) -> Encoding:
        """How the mosaic is stored. Scenes have numbers, which have no mean, and counts go with them."""
        product = len(self.formula.output_bands)
        extra = len(self.band_names) - product
        packings = [*(self._packing(name) for name in self.formula.output_bands), *[NUMBERS] * extra]
        return Encoding(
            dtype=self.output.dtype,
            scales=tuple(packing.scale for packing in packings),
            reductions=(*[MEAN] * product, *[FIRST] * extra),
            block=self.block,
            offsets=tuple(packing.offset for packing in packings),
        )

    def _packing(self, name: str) -> Packing:
        """How a band of the product is stored."""
        if self.output.dtype == "float32":
            return NUMBERS
        if self.formula.kind != "bands":
            return REFLECTANCES
        return packing_of([scene.bands[name] for scene in self.all_scenes])

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the plan as it is written."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """The plan as it is written in the store."""
        return _PLAN.dump_json(self, by_alias=True)

    @staticmethod
    def from_json(text: bytes) -> "Plan":
        """The plan that was written."""
        return _PLAN.validate_json(text)

    def summary(self) -> dict[str, int | float]:
        """What `status.plan` shows."""
        return {
            "tiles": len(self.tiles),
            "ranges": len(self.ranges),
            "scenes": len(self.scenes),
            "megapixels": round(self.grid.pixels / 1e6, 3),
            "estimatedCoreSeconds": round(self.estimate.core_seconds),
            "estimatedBytes": self.estimate.bytes,
        }


_PLAN = TypeAdapter(Plan)


def geojson(area: BaseGeometry) -> dict[str, Any]:
    """A geometry as the plan holds it."""
    return dict(mapping(area))
