"""A scene as composite methods get it: read, harmonised, and reduced to the layers that are composed and compared."""

from dataclasses import dataclass

import numpy as np
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.pixels.scene import read_scene
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import Floats

Flags = NDArray[np.bool_]


class UnreadableSceneError(RequestError):
    """A scene of the plan cannot be read; `number` is its number in the plan, from 1."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


@dataclass(frozen=True)
class SceneLayers:
    """The layers of a scene.

    Attributes:
        composed: float32 (bands, height, width), NaN for no data.
        compared: the same, of the layers that scenes are compared by; None for the composed ones.
        out_of_range: the number of discarded values of a normalised difference.
    """

    composed: Floats
    compared: Floats | None
    out_of_range: int


def read_layers(
    plan: Plan,
    number: int,
    grid: Grid,
    sources: OpenSources,
    useful: Flags | None = None,
    hidden: Flags | None = None,
    counted: tuple[slice, slice] = (slice(None), slice(None)),
) -> SceneLayers | None:
    """The layers of a scene on a grid; None if no useful pixel is left.

    Args:
        plan: the plan.
        number: the number of the scene, from 1.
        grid: the grid.
        sources: the open files of scenes.
        useful: as in `read_scene`.
        hidden: as in `read_scene`.
        counted: the rows and columns in which discarded values are counted.

    Raises:
        UnreadableSceneError: the scene cannot be read, and the request skips such scenes.
        RequestError: the scene cannot be read.
        PassingError: a server did not respond.
    """
    planned, formula, of = plan.scenes[number - 1], plan.formula, plan.composite.of
    try:
        found = read_scene(plan, planned.scene, grid, sources, useful, hidden)
    except RequestError as error:
        if plan.on_unreadable == "fail":
            raise
        raise UnreadableSceneError(str(error), number) from None
    if found is None:
        return None
    values = planned.corrected(found)
    compared = plan.method.compared(of, formula.input_bands, values)
    if of == "bands":
        return SceneLayers(np.stack([values[name] for name in plan.composed_bands]), compared, 0)
    composed, out_of_range = formula.compute(values)
    if out_of_range and counted != (slice(None), slice(None)):
        part = {name: each[counted] for name, each in values.items()}
        out_of_range = formula.compute(part)[1] if composed[0][counted].size else 0
    return SceneLayers(composed, compared, out_of_range)
