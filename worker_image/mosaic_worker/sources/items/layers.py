"""Finds the bands and the mask of a STAC Item by the names in a request, with notes for the user."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from mosaic_crds.errors import RequestError
from mosaic_crds.spelling import counted

from mosaic_worker.product.bands import canonical, common_name
from mosaic_worker.sources.items.bands import AssetBand, bands_of, best, data_bands
from mosaic_worker.sources.items.masks import NAMES, MaskBand, find_mask, named_mask
from mosaic_worker.sources.items.platforms import Platform, ambiguous, platform_of

if TYPE_CHECKING:
    import pystac

STAND_INS = {"nir": "nir08"}
"""Replacements of missing bands: Landsat, HLS L30 and mosaics of them have no band as wide as nir (B8) of Sentinel-2,
and their nir08 is within it."""
MASK = "mask"
"""The key of the mask in `assets` of a request."""
Note = tuple[str, str]
"""A sentence for the user: the texts before and after the number of scenes."""


@dataclass(frozen=True)
class Layers:
    """The bands and the mask of an Item.

    Attributes:
        item: the Item.
        where: the field of the request that names it.
        assets: keys of assets by canonical band name or "mask", as in the request.
    """

    item: "pystac.Item"
    where: str
    assets: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def platform(self) -> Platform:
        """The satellite of the Item."""
        return platform_of(self.item, {band.identifier: band.common for band in self._bands if band.identifier})

    def band(self, name: str) -> AssetBand:
        """The band of a canonical common name, or its replacement.

        Raises:
            RequestError: the Item has no such band, or several equally good ones.
        """
        if name in self.assets:
            return self._mapped(name)
        found = self._best(name)
        if not found and name in STAND_INS:
            if STAND_INS[name] in self.assets:
                return self._mapped(STAND_INS[name])
            found = self._best(STAND_INS[name])
        if not found:
            known = sorted({band.common or band.name(self.platform) or band.key for band in self._bands})
            has = f"has {', '.join(known)}" if known else "has no assets with bands"
            raise RequestError(f"{self.where}: the product needs {name}, and {self.item.id} {has}")
        if len(found) > 1:
            raise RequestError(
                f"{self.where}: {self.item.id} has several bands {name}: {_listed(found, self.platform)}; request one "
                "by its own name, or name its asset in assets"
            )
        return found[0]

    @cached_property
    def mask(self) -> MaskBand:
        """The mask layer that the request names, or that the Item has.

        Raises:
            RequestError: there is no mask.
        """
        if MASK in self.assets:
            return named_mask(bands_of(self.assets[MASK], self._asset(MASK)), self.platform)
        found = self._found_mask
        if found is None:
            raise RequestError(
                f"{self.where}: {self.item.id} has no mask ({NAMES}); name its mask in assets, give the scene "
                "a mask, or remove spec.composite.mask"
            )
        return found

    @property
    def has_mask(self) -> bool:
        """Whether the request names a mask, or the Item has one."""
        return MASK in self.assets or self._found_mask is not None

    @cached_property
    def _found_mask(self) -> MaskBand | None:
        every = [band for key, asset in self.item.assets.items() for band in bands_of(key, asset)]
        return find_mask(every, self.platform)

    @property
    def map_field(self) -> str:
        """The field `assets` of the request: of a searched source, or of the scene."""
        return f"{self.where.removesuffix('.item')}.assets"

    def assumptions(self, names: Sequence[str], masked: bool) -> Iterator[Note]:
        """Notes on how the bands (canonical names) and the mask were found."""
        for name in names:
            if name in self.assets:
                continue
            if name in STAND_INS and not self._best(name):
                yield f"{STAND_INS[name]} replaces {name} in", f" without {name}"
            elif self.platform.assumed and _is_by_id(band := self.band(name)):
                yield f"{band.key} is read as {name}, as on {self.platform.name}, in", " without a stated platform"
        if masked and self.has_mask and self.mask.assumed:
            key, values = self.mask.band.key, self.mask.values
            yield f"{key} is read as a mask of kind {values} in", " without a stated encoding"

    @cached_property
    def _bands(self) -> tuple[AssetBand, ...]:
        """The bands of the assets that hold data."""
        return tuple(data_bands(self.item))

    @cached_property
    def _known(self) -> dict[str, list[AssetBand]]:
        """Cached results of `_best`."""
        return {}

    def _best(self, name: str) -> list[AssetBand]:
        if name not in self._known:
            self._known[name] = best(self._bands, name, self.platform)
        return self._known[name]

    def _mapped(self, name: str) -> AssetBand:
        """The band in the asset that the request names."""
        bands = bands_of(self.assets[name], self._asset(name))
        if len(bands) == 1:
            return bands[0]
        found = best(bands, name, self.platform)
        if len(found) != 1:
            raise RequestError(
                f"{self.map_field}.{name}: asset {self.assets[name]} of {self.item.id} has the bands "
                f"{_listed(bands, self.platform)}, and {'several' if found else 'none'} of them can be {name}"
            )
        return found[0]

    def _asset(self, name: str) -> "pystac.Asset":
        """The asset that the request names for a band or the mask."""
        key, assets = self.assets[name], self.item.assets
        if key not in assets:
            raise RequestError(
                f"{self.map_field}.{name}: {self.item.id} has no asset {key}; it has {', '.join(sorted(assets))}"
            )
        return assets[key]


def mapped_assets(assets: Mapping[str, str] | None) -> dict[str, str]:
    """The keys of assets in a request, by canonical name."""
    return {canonical(name): key for name, key in (assets or {}).items()}


def summarized(notes: Iterable[Note]) -> tuple[str, ...]:
    """Notes as sentences, each with its number of scenes."""
    return tuple(f"{before} {counted(count, 'scene')}{after}" for (before, after), count in Counter(notes).items())


def _is_by_id(band: AssetBand) -> bool:
    """Whether a band is only known by an id that has another meaning on another satellite."""
    named = band.common is not None or any(map(common_name, band.labels))
    return not named and any(map(ambiguous, band.labels))


def _listed(bands: Sequence[AssetBand], platform: Platform) -> str:
    """The names of bands; with the keys of their assets if names are not unique."""
    names = [band.name(platform) or band.common or (band.labels or (band.key,))[0] for band in bands]
    if len(set(names)) < len(names):
        names = [f"{name} in asset {band.key}" for name, band in zip(names, bands, strict=True)]
    return ", ".join(names)
