"""Scenes of a STAC API."""

from collections.abc import Sequence
from dataclasses import replace

from mosaic_crds.source import OnUnreadable, Stac
from mosaic_crds.spec import Composite
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.items.item import StacItem
from mosaic_worker.sources.items.layers import mapped_assets
from mosaic_worker.sources.items.scenes import scenes_of_items
from mosaic_worker.sources.kinds.planetary_computer import PLANETARY_COMPUTER, planetary_computer_signer
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Found, NoScenesError, Scene
from mosaic_worker.sources.search.catalogue import Catalogue, Search, item_signer

WHERE = "spec.source.stac"
SHORT_NAMES = {"earth-search": "https://earth-search.aws.element84.com/v1", "planetary-computer": PLANETARY_COMPUTER}
"""What `spec.source.stac.url` may be instead of a URL: Element 84's Earth Search, Microsoft's Planetary Computer."""
LOOKED_AT = 100
"""Items that are looked at to advise a user."""


def stac_scenes(
    stac: Stac,
    area: BaseGeometry,
    bands: Sequence[str],
    composite: Composite,
    gate: Gate,
    most: int,
    on_unreadable: OnUnreadable = "fail",
) -> Found:
    """The scenes of `source.stac`.

    Args:
        stac: the source.
        area: in degrees, unwrapped.
        bands: the canonical names of the bands that are needed.
        composite: how scenes are composed.
        gate: what may be read.
        most: how many scenes there may be.
        on_unreadable: whether a scene that cannot be used is an error.

    Raises:
        RequestError: nothing is found, or what is found cannot be used.
        PassingError: a server did not answer.
    """
    signer = stac_signer(stac, gate)
    search = _search(stac, area, _catalogue(stac, gate, signer), most, on_unreadable)
    items = [replace(item, assets=mapped_assets(stac.assets)) for item in search.items]
    with Headers(gate, signer) as headers:
        found = scenes_of_items(items, composite, area, bands, headers, on_unreadable, search.unreadable)
    return replace(found, notes=(*search.notes, *found.notes))


def stac_items(
    stac: Stac, area: BaseGeometry, gate: Gate, most: int, on_unreadable: OnUnreadable = "fail"
) -> list[StacItem]:
    """The Items that `source.stac` means, of which no file is opened.

    Raises:
        NoScenesError: there are none.
        RequestError: the API refuses the search, or finds too many.
        PassingError: a server did not answer.
    """
    return _search(stac, area, _catalogue(stac, gate, stac_signer(stac, gate)), most, on_unreadable).items


def stac_signer(stac: Stac, gate: Gate, scenes: Sequence[Scene] = ()) -> Signer:
    """What signs the URLs of `source.stac`, once a search has found the scenes."""
    if _url(stac) == PLANETARY_COMPUTER:
        return planetary_computer_signer(gate)
    return item_signer(lambda signer: _catalogue(stac, gate, signer), scenes)


def _catalogue(stac: Stac, gate: Gate, signer: Signer) -> Catalogue:
    return Catalogue(_url(stac), WHERE, Client(gate, signer))


def _search(
    stac: Stac, area: BaseGeometry, catalogue: Catalogue, most: int, on_unreadable: OnUnreadable = "fail"
) -> Search:
    found = catalogue.search(
        stac.collection,
        stac.datetime,
        area,
        most=most,
        query=stac.query,
        most_cloud=stac.max_cloud_cover,
        on_unreadable=on_unreadable,
    )
    if not (found.items or found.unreadable):
        raise NoScenesError(_nothing(stac, area, catalogue))
    return found


def _url(stac: Stac) -> str:
    return SHORT_NAMES.get(stac.url, stac.url).rstrip("/")


def _nothing(stac: Stac, area: BaseGeometry, catalogue: Catalogue) -> str:
    """Why nothing was found, and what to do."""
    found = f"{WHERE}: no scene of {stac.collection} touches the area in {stac.datetime}"
    if stac.max_cloud_cover is not None:
        clouds = [
            item.cloud_cover
            for item in catalogue.some(stac.collection, stac.datetime, area, LOOKED_AT, query=stac.query)
        ]
        known = [cover for cover in clouds if cover is not None]
        if known:
            return (
                f"{found} with at most {stac.max_cloud_cover:g} % of cloud; the clearest of {len(clouds)} there has "
                f"{min(known):.0f} %: raise maxCloudCover, or widen the dates"
            )
        if clouds:
            return f"{found} that says how cloudy it is; leave out maxCloudCover"
    return f"{found}; widen the dates" + (", or leave out conditions of query" if stac.query else "")
