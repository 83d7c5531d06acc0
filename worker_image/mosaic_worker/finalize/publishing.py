"""The finalize step: merge records, assemble the COG, render the picture, and write the Item last."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from mosaic_crds.files import COG, ITEM, PNG, THUMBNAIL, ResultFile

from mosaic_worker.finalize.classes import colour_table, name_tags
from mosaic_worker.finalize.item import Published, mosaic_item
from mosaic_worker.finalize.notes import picture_note, result_notes, reuse_note
from mosaic_worker.finalize.parts import READERS, LostTilesError, Parts
from mosaic_worker.finalize.results import Results
from mosaic_worker.output.cog import Chunk, write_cog
from mosaic_worker.output.geotiff import Description
from mosaic_worker.output.palettes import picture_palette
from mosaic_worker.output.picture import MOST_PAINTERS, Rendering, render
from mosaic_worker.output.stretched import StretchedLevel
from mosaic_worker.pixels.statistics import NO_STATISTICS, BandStatistics, MosaicStatistics, StatisticsSums
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.unreadable import unreadable_note
from mosaic_worker.store import Store
from mosaic_worker.store.sweeping import sweep
from mosaic_worker.tiles.records import TileRecord, read_records
from mosaic_worker.tiles.skipping import reasons, unreadable_scenes
from mosaic_worker.version import DISTRIBUTION

PIECE_BYTES = 16 * 2**20
WRITERS = 3
"""The COG, the picture and the thumbnail are written in parallel, because each waits for the disk or the network."""


class _Hashed:
    """Chunks with their total size and digest."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)
        self._sha256 = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._chunks:
            self._sha256.update(chunk)
            self.size += len(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


def finalize_step(plan: Plan, store: Store) -> bytes:
    """Publish a mosaic whose tiles all have records. Return its Item as JSON.

    It can be interrupted anywhere and repeated: the same records result in the same bytes, and an existing Item means
    that everything is done.

    Raises:
        LostTilesError: a tile has no record, or its part is lost or damaged.
        RequestError: most values do not fit the data type, or more than half of the scenes are unreadable.
    """
    results = Results.of_plan(plan)
    published = results.published(store)
    if published is None:
        unreadable = unreadable_scenes(plan, store)
        records, statistics = complete_records(plan, store, unreadable)
        skipped = reasons(plan, unreadable, store)
        notes = [
            *unreadable_note(skipped, len(plan.scenes)),
            *result_notes(plan, statistics),
            *picture_note(plan),
            *reuse_note(records),
        ]
        stretch = stretches(plan, [statistics.bands[number] for number in plan.picture])
        painters = min(MOST_PAINTERS, len(os.sched_getaffinity(0)))
        with (
            ThreadPoolExecutor(READERS) as readers,
            ThreadPoolExecutor(WRITERS) as writers,
            ThreadPoolExecutor(painters) as threads,
        ):
            parts = Parts(plan, records, store, readers)
            files = [writers.submit(_publish, plan, store, COG, _cog(plan, records, statistics, parts))]
            picture = None
            if PNG.key in plan.output.formats:
                rendering = _render(plan, records, stretch, parts, threads)
                picture = rendering.picture
                files.append(writers.submit(_publish, plan, store, PNG, rendering.png()))
                files.append(writers.submit(_publish, plan, store, THUMBNAIL, [rendering.thumbnail()]))
        written = [file.result() for file in files]
        item = mosaic_item(plan, statistics, stretch, picture, written, records, skipped, notes, datetime.now(UTC))
        store.create(results.key(ITEM), [item])
        published = results.item(store) or item
    sweep(plan.uid, store)
    return published


def complete_records(
    plan: Plan, store: Store, unreadable: frozenset[int] = frozenset()
) -> tuple[list[TileRecord], MosaicStatistics]:
    """The records of all tiles, in order, computed without unreadable scenes, and their statistics together.

    The records have no statistics, which would be nearly all of their memory.

    Raises:
        LostTilesError: some tiles have no record.
    """
    sums = StatisticsSums()

    def keep(record: TileRecord) -> TileRecord:
        sums.add(record.statistics)
        return replace(record, statistics=NO_STATISTICS)

    found = read_records(plan, store, unreadable, keep)
    missing = [str(tile.index) for tile in plan.tiles if tile.index not in found]
    if missing:
        raise LostTilesError(
            f"{len(missing)} of {len(plan.tiles)} tiles are not done (the first is {missing[0]}); run again",
            len(missing),
        )
    return [found[tile.index] for tile in plan.tiles], sums.merged()


def stretches(plan: Plan, bands: Sequence[BandStatistics]) -> list[tuple[float, float]]:
    """The values of the first and last colour, for each band of the picture."""
    stretch = plan.stretch
    if stretch.fixed is not None:
        return [(stretch.fixed.lower, stretch.fixed.upper)] * len(bands)
    if stretch.percentile is not None:
        lower, upper = stretch.percentile.lower, stretch.percentile.upper
        limits = [(band.percentile(lower), band.percentile(upper)) for band in bands]
        if plan.colours.symmetric:
            return [(-largest, largest) for largest in (max(map(abs, pair)) for pair in limits)]
        return limits
    return [(band.minimum, band.maximum) for band in bands]


def _publish(plan: Plan, store: Store, file: ResultFile, chunks: Iterable[Chunk]) -> Published:
    """Write a file create-only. If an interrupted run wrote it before, digest that file.

    Its bytes can differ, if another kind of processor compressed them.
    """
    key = Results.of_plan(plan).key(file)
    hashed = _Hashed(chunks)
    if not store.create(key, hashed):
        hashed = _Hashed(_pieces(store, key))
        for _ in hashed:
            pass
    return Published(file, hashed.size, hashed.sha256)


def _pieces(store: Store, key: str) -> Iterator[bytes]:
    """The content of an object, piece by piece."""
    start = 0
    while piece := store.read(key, start, start + PIECE_BYTES):
        yield piece
        start += len(piece)


def _cog(plan: Plan, records: Sequence[TileRecord], statistics: MosaicStatistics, parts: Parts) -> Iterator[Chunk]:
    levels = [(*record.levels, record.above) for record in records]
    return write_cog(plan.grid, plan.encoding, _description(plan, statistics), plan.tiles, levels, parts)


def _description(plan: Plan, statistics: MosaicStatistics) -> Description:
    """The metadata of the COG."""
    tags = {"TIFFTAG_SOFTWARE": f"{DISTRIBUTION} {plan.code}", "TIFFTAG_IMAGEDESCRIPTION": plan.title}
    classes = plan.product.classes
    if classes is not None:
        return Description(plan.band_names, tags, (name_tags(classes),), colour_table(classes))
    encoding = plan.encoding
    measured = tuple(
        _statistics_tags(band, scale, offset, plan.grid.pixels)
        for band, scale, offset in zip(statistics.bands, encoding.scales, encoding.offsets, strict=False)
    )
    return Description(plan.band_names, tags, measured)


def _render(
    plan: Plan, records: Sequence[TileRecord], stretch: Sequence[tuple[float, float]], parts: Parts, threads: Executor
) -> Rendering:
    """Start to render the picture from the parts, while the COG is written."""

    def stretched(level: int) -> StretchedLevel:
        return StretchedLevel(
            plan.tiles,
            level,
            plan.encoding,
            lambda tile: parts.level(tile, level),
            stretch,
            plan.picture,
            plan.colours.tone,
        )

    colours = picture_palette(plan.product, plan.colours.colormap)
    return render(stretched, len(records[0].levels), plan.grid, colours, threads)


def _statistics_tags(band: BandStatistics, scale: float, offset: float, pixels: int) -> dict[str, str]:
    """The statistics of a band as GDAL tags: of the stored numbers, and with all pixels as 100 percent."""
    if band.valid == 0:
        return {}
    stored = [(value - offset) / scale for value in (band.minimum, band.maximum, band.mean)]
    if (scale, offset) != (1.0, 0.0):  # int16
        stored[:2] = [float(round(number)) for number in stored[:2]]
    return {
        "STATISTICS_MINIMUM": repr(stored[0]),
        "STATISTICS_MAXIMUM": repr(stored[1]),
        "STATISTICS_MEAN": repr(stored[2]),
        "STATISTICS_STDDEV": repr(band.stddev / scale),
        "STATISTICS_VALID_PERCENT": f"{100 * band.valid / pixels:.4f}",
    }
