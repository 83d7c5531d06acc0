"""Harmonises scenes: reads samples of their overlaps, and records gains and offsets in the plan."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
from mosaic_crds.errors import RequestError
from mosaic_crds.spec import MosaicRequestSpec
from mosaic_crds.spelling import counted
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.plan.gains import FEWEST, LARGEST_GAIN, LEAST_GAIN, Patch, Solution, solve
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.notes import listed
from mosaic_worker.plan.patches import SAMPLES, Place, places, sample_side
from mosaic_worker.plan.scenes import Correction, PlannedScene
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.kinds.registry import signer_of
from mosaic_worker.sources.masks import CLEAR, FLAGGED
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import Floats, read_band
from mosaic_worker.sources.readers.scene_masks import read_codes
from mosaic_worker.sources.scenes import Scene

Flags = NDArray[np.bool_]


def harmonised(plan: Plan, spec: MosaicRequestSpec, gate: Gate) -> Plan:
    """The plan with the corrections of its scenes, and notes on them; unchanged if the request wants none.

    Each band of each side is solved alone: what is subtracted keeps its difference. Memory: about a kilobyte for each
    patch of a scene.

    Args:
        plan: the plan without corrections.
        spec: the request.
        gate: what may be read.

    Raises:
        RequestError: a scene cannot be read, and the request does not skip such scenes.
        PassingError: a server did not respond.
    """
    if plan.composite.harmonise == "none":
        return plan
    scenes: list[PlannedScene] = []
    notes: list[str] = []
    signer = signer_of(spec, gate, plan.scenes_of_sides)
    with raster_environment(), closing(OpenSources(gate, signer)) as sources:
        for number, side in enumerate(plan.sides):
            corrected, remarks = _harmonised(plan, [plan.scenes[each - 1] for each in side], sources)
            scenes += corrected
            notes += [f"minus: {note}" for note in remarks] if number else remarks
    return replace(plan, scenes=tuple(scenes), warnings=(*plan.warnings, *notes))


def _harmonised(
    plan: Plan, scenes: Sequence[PlannedScene], sources: OpenSources
) -> tuple[Sequence[PlannedScene], list[str]]:
    """The scenes of a side with corrections, and notes."""
    if len(scenes) < 2:
        return scenes, []
    chosen = places(plan.grid, [planned.window for planned in scenes])
    hidden = [_hidden_in(plan, planned.scene, number, chosen, sources) for number, planned in enumerate(scenes)]
    solutions = {name: _solution(plan, scenes, name, chosen, hidden, sources) for name in plan.input_bands}
    found = [
        replace(
            planned,
            corrections={
                name: Correction(solution.gains[number], solution.offsets[number])
                for name, solution in solutions.items()
            },
        )
        for number, planned in enumerate(scenes)
    ]
    return found, _notes([planned.scene.id for planned in scenes], solutions)


def _solution(
    plan: Plan,
    scenes: Sequence[PlannedScene],
    name: str,
    chosen: Sequence[Place],
    hidden: Sequence[dict[Place, Flags]],
    sources: OpenSources,
) -> Solution:
    """The corrections of a band.

    Args:
        plan: the plan.
        scenes: the scenes.
        name: of the band.
        chosen: where scenes are compared.
        hidden: for each scene, the masked samples of the patches that it can be read in.
        sources: the open files of scenes.
    """
    values = {place: np.full((len(place.scenes), SAMPLES**2), np.nan, np.float32) for place in chosen}
    for number, planned in enumerate(scenes):
        for place, masked in hidden[number].items():
            found = _read(plan, planned.scene, name, place, sources)
            if found is not None:
                values[place][place.scenes.index(number)] = np.where(masked, np.nan, found).ravel()
    patches = [Patch(place.scenes, values[place]) for place in chosen]
    return solve(patches, len(scenes), with_offset=plan.composite.harmonise == "gainOffset")


def _read(plan: Plan, scene: Scene, name: str, place: Place, sources: OpenSources) -> Floats | None:
    """The means of the samples of a band, (SAMPLES, SAMPLES): NaN if any pixel has no data; None without any."""
    side = sample_side(plan.grid)
    try:
        found = read_band(sources, scene.bands[name], _grid(plan, place), plan.resampling, f"band {name} of {scene.id}")
    except RequestError:
        if plan.on_unreadable == "fail":
            raise
        return None
    if found is None:
        return None
    means: Floats = found.reshape(SAMPLES, side, SAMPLES, side).mean(axis=(1, 3))
    return means


def _hidden_in(
    plan: Plan, scene: Scene, number: int, chosen: Sequence[Place], sources: OpenSources
) -> dict[Place, Flags]:
    """The patches of a scene, and their samples with any masked pixel, (SAMPLES, SAMPLES)."""
    found = {}
    for place in chosen:
        if number in place.scenes:
            try:
                found[place] = _masked(plan, scene, _grid(plan, place), sources)
            except RequestError:
                if plan.on_unreadable == "fail":
                    raise
    return found


def _masked(plan: Plan, scene: Scene, grid: Grid, sources: OpenSources) -> Flags:
    """The samples of a patch with any masked pixel: the dilation is a square here, which contains the disc."""
    samples = np.zeros((SAMPLES, SAMPLES), np.bool_)
    if scene.mask is None:
        return samples
    halo, side = plan.composite.dilate, sample_side(plan.grid)
    around = grid.window(-halo, -halo, grid.width + 2 * halo, grid.height + 2 * halo)
    codes = read_codes(sources, scene.mask, around, plan.composite, f"the mask of {scene.id}")
    inner = codes[halo : halo + grid.height, halo : halo + grid.width]
    samples |= (inner != CLEAR).reshape(SAMPLES, side, SAMPLES, side).any(axis=(1, 3))
    for row in range(SAMPLES):
        for column in range(SAMPLES):
            top, left = row * side, column * side
            near = codes[top : top + side + 2 * halo, left : left + side + 2 * halo]
            samples[row, column] |= bool((near == FLAGGED).any())
    return samples


def _grid(plan: Plan, place: Place) -> Grid:
    side = SAMPLES * sample_side(plan.grid)
    return plan.grid.window(place.column, place.row, side, side)


def _notes(ids: Sequence[str], solutions: dict[str, Solution]) -> list[str]:
    """Notes for the user: the range of the gains, scenes at a limit, and scenes that keep a gain of 1."""
    alone = sorted({scene for found in solutions.values() for scene in found.alone})
    limited = sorted({scene for found in solutions.values() for scene in found.limited})
    gains = [
        found.gains[scene] for found in solutions.values() for scene in range(len(ids)) if scene not in found.alone
    ]
    notes = []
    if gains:
        notes.append(
            f"harmonised {counted(len(ids) - len(alone), 'scene')}: gains from {min(gains):.3f} to {max(gains):.3f}"
        )
    if limited:
        notes.append(
            f"the gains or offsets of {listed([ids[scene] for scene in limited])} reach the limits (gains "
            f"{LEAST_GAIN:g} to {LARGEST_GAIN:g}); edges may remain, often because of haze"
        )
    if alone:
        notes.append(
            f"not harmonised: {listed([ids[scene] for scene in alone])} have fewer than {FEWEST} clear samples in "
            "common with other scenes"
        )
    return notes
