"""Notes on the values of a mosaic."""

from collections.abc import Sequence

from mosaic_crds.errors import RequestError
from mosaic_crds.files import PNG
from mosaic_crds.spelling import counted

from mosaic_worker.finalize.classes import class_notes, class_pixels
from mosaic_worker.output.colours import is_true_colour
from mosaic_worker.pixels.statistics import MosaicStatistics
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.notes import EXACT, is_wide, listed
from mosaic_worker.sources.scenes import Band
from mosaic_worker.tiles.records import TileRecord


def result_notes(plan: Plan, statistics: MosaicStatistics) -> list[str]:
    """Notes for the user on the values of a mosaic.

    Raises:
        RequestError: most values of a band do not fit the data type.
    """
    if plan.product.classes is not None:
        return class_notes(class_pixels(plan.product.classes, statistics.bands[0]))
    lost, rounded = [], []
    for number, (name, band) in enumerate(zip(plan.product_bands, statistics.bands, strict=True)):
        if band.overflow:
            low, high = plan.encoding.range_of(number)
            lose = f"{band.overflow} of {band.overflow + band.valid} values of {name} are outside {low:g} to {high:g}"
            if band.overflow > band.valid:
                raise RequestError(f"spec.output.dtype: {lose}, the range of int16 here; use float32")
            lost.append(lose)
        if plan.formula.kind == "bands" and plan.output.dtype == "float32":
            sources = [scene.bands[plan.formula.output_bands[number]] for scene in plan.all_scenes]
            if band.valid and any(_largest_number(source, band.minimum, band.maximum) >= EXACT for source in sources):
                rounded.append(name)
    found = []
    if lost:
        found.append(f"{listed(lost)}; int16 cannot hold them, so they are no data; use output.dtype float32")
    if rounded:
        found.append(f"integers of {listed(rounded)} reach {EXACT:,}; float32 rounds larger ones to 24 bits")
    return found


def picture_note(plan: Plan) -> list[str]:
    """A note for the user if red, green and blue are not shown as reflectances."""
    shown = [plan.formula.output_bands[number] for number in plan.picture]
    usual = PNG.key in plan.output.formats and plan.output.stretch is None
    if not usual or plan.colours.tone.shoulder or not is_true_colour(plan.formula, shown):
        return []
    note = "the picture shows percentiles 2 to 98 of red, green and blue, because they are not reflectances"
    return [f"{note}; give scale and offset of the bands, or output.stretch"]


def reuse_note(records: Sequence[TileRecord]) -> list[str]:
    """A note for the user on tiles that other requests computed."""
    reused = sum(record.reused for record in records)
    return [f"{reused} of {counted(len(records), 'tile')} had been computed for other requests"] if reused else []


def _largest_number(band: Band, minimum: float, maximum: float) -> float:
    """The largest absolute stored integer of values of a band; 0 if integers have less than 32 bits."""
    if not is_wide(band) or not band.scale:
        return 0.0
    return max(abs((value - band.offset) / band.scale) for value in (minimum, maximum))
