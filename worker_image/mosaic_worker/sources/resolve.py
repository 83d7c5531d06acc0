"""From what a request names to scenes whose headers are read. Each kind of source is a module beside this one.

A module is imported when its source is asked for: what searches catalogues takes long to import.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mosaic_crds.source import Source
from mosaic_crds.spec import MosaicRequestSpec
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.area import requested_area
from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.scenes import Found, Scene
from mosaic_worker.sources.unreadable import expect_most_readable

if TYPE_CHECKING:
    from mosaic_worker.sources.items.item import StacItem

MOST_SCENES = 500
"""That a search may find, unless the installation says otherwise; as many as a request may list itself."""


def resolve(spec: MosaicRequestSpec, bands: tuple[str, ...], gate: Gate, most_scenes: int = MOST_SCENES) -> Found:
    """The scenes of a request, each with the bands that are needed and, if asked for, its mask.

    Args:
        spec: what is asked for.
        bands: the canonical names of the bands that are needed.
        gate: what may be read.
        most_scenes: how many a search may find.

    Raises:
        RequestError: there are none, one cannot be used, or more than half are skipped because they cannot.
        PassingError: a server did not answer.
    """
    found = _found(spec, bands, gate, most_scenes)
    expect_most_readable(found.unreadable, found.total)
    return found


def _found(spec: MosaicRequestSpec, bands: tuple[str, ...], gate: Gate, most_scenes: int) -> Found:
    source, area = spec.source, requested_area(spec.area)
    skipping = source.on_unreadable
    if source.stac is not None and area is not None:
        from mosaic_worker.sources.kinds.stac import stac_scenes

        return stac_scenes(source.stac, area, bands, spec.composite, gate, most_scenes, skipping)
    if source.earth_daily is not None and area is not None:
        from mosaic_worker.sources.kinds.earth_daily import earth_daily_scenes

        return earth_daily_scenes(source.earth_daily, area, bands, spec.composite, gate, most_scenes, skipping)
    if source.files is None:
        raise ValueError("the contract asks for an area where scenes are searched")
    from mosaic_worker.sources.kinds.files import files_scenes

    return files_scenes(source.files, bands, spec.composite.mask, gate, signer_of(source, gate), skipping)


def items_of(source: Source, area: BaseGeometry, gate: Gate, most_scenes: int = MOST_SCENES) -> "list[StacItem]":
    """The Items that a source which is searched means in an area, of which no file is opened.

    Args:
        source: a STAC API, or EarthDaily.
        area: in degrees, unwrapped.
        gate: what may be read.
        most_scenes: how many a search may find.

    Raises:
        NoScenesError: there are none.
        RequestError: the search is refused, or finds too many.
        PassingError: a server did not answer.
    """
    if source.stac is not None:
        from mosaic_worker.sources.kinds.stac import stac_items

        return stac_items(source.stac, area, gate, most_scenes, source.on_unreadable)
    if source.earth_daily is None:
        raise ValueError("files are listed, not searched")
    from mosaic_worker.sources.kinds.earth_daily import earth_daily_items

    return earth_daily_items(source.earth_daily, area, gate, most_scenes, source.on_unreadable)


def signer_of(source: Source, gate: Gate, scenes: Sequence[Scene] = ()) -> Signer:
    """What signs the URLs of a source, whose plan holds scenes with unsigned ones."""
    if source.stac is not None:
        from mosaic_worker.sources.kinds.stac import stac_signer

        return stac_signer(source.stac, gate, scenes)
    if source.earth_daily is not None:
        from mosaic_worker.sources.kinds.earth_daily import earth_daily_signer

        return earth_daily_signer(gate, scenes)
    if source.files is None:
        raise ValueError("a source is one of three")
    from mosaic_worker.sources.kinds.files import files_signer

    return files_signer(source.files, gate, source.on_unreadable)
