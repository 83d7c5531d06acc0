"""Finds Items of the same observation, and the newest processing among them.

Agencies reprocess their archives, and catalogues keep old and new Items side by side. Only one of them counts. The
naming of products is in docs/decisions, "Each observation counts once".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mosaic_crds.spelling import counted
from mosaic_crds.times import moment
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.items.coverage import footprint
from mosaic_worker.sources.items.item import StacItem

SAME_PASS = timedelta(minutes=45)
"""A datatake of Sentinel-2 is shorter than this, and an orbit takes 100 minutes."""
SAME_STRIP = timedelta(seconds=10)
"""Starts of a datastrip, before and after it was processed again."""
SAME_PLACE = 0.5
"""Of the smaller footprint. Processings of a granule share nearly all of it, two parts of a datatake only an edge."""

_SENTINEL_2 = re.compile(
    r"(?P<platform>S2[A-Z])_MSI(?P<level>L1C|L2A)_(?P<taken>\d{8}T\d{6})(?:_N(?P<baseline>\d{4}))?_R\d{3}"
    r"_T(?P<cell>\d{2}[A-Z]{3})(?:_(?P<made>\d{8}T\d{6}))?(?:\.SAFE)?"
)
"""S2A_MSIL2A_20220101T190811_N0301_R013_T10UDV_20220101T220000, with or without the baseline and the last time."""
_EARTH_SEARCH = re.compile(
    r"(?P<platform>S2[A-Z])_T?(?P<cell>\d{1,2}[A-Z]{3})_(?P<taken>\d{8}(?:T\d{6})?)(?:_(?P<sequence>\d+))?_(?P<level>L1C|L2A)"
)
"""S2A_10UDV_20220101_0_L2A, or S2A_T10UDV_20220101T191232_L2A."""
_LANDSAT = re.compile(
    r"(?P<platform>L[A-Z]\d{2})_(?P<level>L\d)[A-Z0-9]{2}_(?P<cell>\d{6})_(?P<taken>\d{8})(?:_(?P<made>\d{8}))?"
    r"_(?P<version>\d{2})_(?P<tier>RT|T1|T2)(?P<part>_[A-Z]+)?"
)
"""LC08_L2SP_047026_20220101_20220107_02_T1, with or without the processing date, or with the suffix _SR or _ST."""
_HLS = re.compile(
    r"HLS\d?[._](?P<platform>[SL]30)[._]T?(?P<cell>\d{2}[A-Z]{3})[._](?P<taken>\d{7}(?:T\d{6})?)[._]v(?P<version>\d+(?:[._]\d+)*)",
    re.IGNORECASE,
)
"""HLS.S30.T10UDV.2022001T190811.v2.0."""
_MODIS = re.compile(
    r"(?P<platform>(?:MOD|MYD|MCD|VNP|VJ1)\w+)\.A(?P<taken>\d{7})\.(?P<cell>h\d{2}v\d{2})\.(?P<version>\d{3})\.(?P<made>\d{13})"
)
"""MOD09A1.A2022001.h10v04.061.2022010033521; VIIRS likewise."""
_DATATAKE = re.compile(r"G(?P<platform>S2[A-Z])_(?P<taken>\d{8}T\d{6})_\d+(?:_N(?P<baseline>\d{2}\.\d{2}))?")
"""GS2A_20220101T190811_034100_N03.01; the end depends on the processing."""
_DATASTRIP = re.compile(r"(?P<platform>S2[A-Z])_\w+_DS_\w+_S(?P<taken>\d{8}T\d{6})(?:_N[\d.]+)?")
"""S2A_OPER_MSI_L2A_DS_VGS4_20220101T220000_S20220101T191232_N03.01; only the second time is stable."""
_NO_BASELINE = (99, 99)
"""The baseline of products that were processed outside the system of the agency."""
_CELL = re.compile(r"(\d{1,2})([A-Z]{3})")


@dataclass(frozen=True)
class Observation:
    """The identity of an observation, and the rank of its processing.

    Attributes:
        granule: equal for all processings: collection, instrument, level, cell, and the day if the instrument sees a
            cell once a day.
        taken: the start of the pass, if a satellite can see a cell twice a day.
        strip: the start of the datastrip; a pass received at several stations has several.
        rank: greater for the newer of two processings.
        place: the footprint, used if datastrips are unknown.
    """

    granule: tuple[str, ...]
    taken: datetime | None
    strip: datetime | None
    rank: tuple[Any, ...]
    place: BaseGeometry | None = None

    def is_same_as(self, other: "Observation") -> bool:
        """Whether another Item is of the same observation."""
        return (
            self.granule == other.granule
            and _near(self.taken, other.taken, SAME_PASS)
            and _near(self.strip, other.strip, SAME_STRIP)
            and (None not in (self.strip, other.strip) or _overlap(self.place, other.place))
        )


class Observations:
    """Items, one per observation: the newest processing, independent of the order."""

    def __init__(self) -> None:
        self._granules: dict[tuple[str, ...], list[tuple[Observation, StacItem]]] = {}
        self._kept: dict[tuple[str, ...], list[tuple[Observation, StacItem]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def __iter__(self) -> Iterator[StacItem]:
        return (item for kept in self._kept.values() for _, item in kept)

    def add(self, item: StacItem) -> None:
        """Add an Item."""
        observation = observation_of(item)
        granule = self._granules.setdefault(observation.granule, [])
        granule.append((observation, item))
        kept: list[tuple[Observation, StacItem]] = []
        for newer, candidate in sorted(granule, key=lambda pair: (pair[0].rank, pair[1].id), reverse=True):
            if not any(newer.is_same_as(other) for other, _ in kept):
                kept.append((newer, candidate))
        self._kept[observation.granule] = kept

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on the Items that do not count."""
        dropped = sum(map(len, self._granules.values())) - len(self)
        return (f"skipped {counted(dropped, 'older processing')} of the same observations",) if dropped else ()


def observation_of(item: StacItem) -> Observation:
    """The observation of an Item, from its properties or its id."""
    collection = str(item.item.collection_id)
    observed = _sentinel_2(item, collection)
    if observed is not None:
        return observed
    for pattern in (_LANDSAT, _HLS, _MODIS):
        found = pattern.fullmatch(item.id)
        if found is not None:
            named = {key: value or "" for key, value in found.groupdict().items()}
            granule = tuple(named.get(key, "").upper() for key in ("platform", "level", "cell", "taken", "part"))
            version = (_numbers(named["version"]), named.get("tier") != "RT")
            return Observation((collection, *granule), None, None, _rank(item, version, named.get("made", "")))
    return Observation((collection, item.id), None, None, _rank(item, ((), True), ""))


def _sentinel_2(item: StacItem, collection: str) -> Observation | None:
    """The observation of a Sentinel-2 Item; None if its platform or cell is unknown."""
    properties = item.item.properties
    named: dict[str, str] = {}
    for name in (_text(properties, "s2:product_uri"), item.id):
        for pattern in (_SENTINEL_2, _EARTH_SEARCH):
            found = pattern.fullmatch(name)
            if found is not None and not named:
                named = {key: value or "" for key, value in found.groupdict().items()}
    datatake = _DATATAKE.fullmatch(_text(properties, "s2:datatake_id", "eopf:datatake_id"))
    datastrip = _DATASTRIP.fullmatch(_text(properties, "s2:datastrip_id", "eopf:datastrip_id"))
    cell = _cell(properties) or _padded(named.get("cell", ""))
    platforms = [named.get("platform"), *(found["platform"] for found in (datatake, datastrip) if found)]
    platform = next(filter(None, platforms), "").upper()
    if not platform or not cell:
        return None
    level = named.get("level") or _text(properties, "s2:product_type", "product:type", "processing:level")
    strip = _time(datastrip["taken"]) if datastrip else None
    taken = _time(datatake["taken"]) if datatake else None
    if taken is None and "T" in named.get("taken", ""):
        taken = _time(named["taken"])
    in_name = named.get("baseline", "")
    stated = _text(properties, "s2:processing_baseline", "processing:version")
    in_datatake = (datatake["baseline"] or "") if datatake else ""
    baseline = _numbers(stated or (f"{in_name[:2]}.{in_name[2:]}" if in_name else in_datatake))
    version = () if baseline == _NO_BASELINE else baseline
    rank = _rank(item, (version, True), named.get("made", ""), named.get("sequence", ""))
    granule = (collection, platform, level[-2:].upper(), cell)
    place = footprint(item.item.geometry) if strip is None else None
    return Observation(granule, taken or strip or item.datetime, strip, rank, place)


def _cell(properties: dict[str, Any]) -> str:
    """The MGRS cell in the properties of an Item, such as 10UDV."""
    parts = [properties.get(f"mgrs:{part}") for part in ("utm_zone", "latitude_band", "grid_square")]
    said = _text(properties, "s2:mgrs_tile") or _text(properties, "grid:code").removeprefix("MGRS-")
    return _padded(said or ("".join(map(str, parts)) if None not in parts else ""))


def _padded(cell: str) -> str:
    found = _CELL.fullmatch(cell.upper().removeprefix("T"))
    return f"{int(found[1]):02}{found[2]}" if found else ""


def _rank(item: StacItem, version: tuple[Any, ...], made: str, sequence: str = "") -> tuple[Any, ...]:
    """The sort key of processings: version, time, the number in the id, then the times of the Item."""
    properties = item.item.properties
    times = [
        _time(_text(properties, "processing:datetime", "s2:generation_time") or made),
        _time(_text(properties, "created")),
        _time(_text(properties, "updated")),
    ]
    processed, created, updated = (0.0 if time is None else time.timestamp() for time in times)
    return (*version, processed, int(sequence or 0), created, updated)


def _near(one: datetime | None, other: datetime | None, most: timedelta) -> bool:
    """Whether two times are close; an unknown time is close to all."""
    return one is None or other is None or abs(one - other) <= most


def _overlap(one: BaseGeometry | None, other: BaseGeometry | None) -> bool:
    """Whether two places share most of the smaller one; an unknown place shares all."""
    if one is None or other is None:
        return True
    return bool(one.intersection(other).area >= SAME_PLACE * min(one.area, other.area))


def _text(properties: dict[str, Any], *names: str) -> str:
    """The first text among several properties."""
    return next((value for value in map(properties.get, names) if isinstance(value, str)), "")


def _time(text: str) -> datetime | None:
    """A time, also without separators as in names of products; None for anything else."""
    compact = re.fullmatch(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2}))?", text)
    if compact is not None:
        date, time = "-".join(compact.groups()[:3]), ":".join(filter(None, compact.groups()[3:]))
        text = f"{date}T{time}" if time else date
    try:
        return moment(text)
    except ValueError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """A version such as 05.09 or 2.0 as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])
