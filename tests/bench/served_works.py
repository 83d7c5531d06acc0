"""Works whose scenes are found in a STAC API and read from a server with latency, which counts requests and bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import scenes
from bench.stack_works import (
    ENOUGH,
    EVERY,
    ODC_STAC,
    cloudy_spec,
    enough_peer,
    items,
    median_spec,
    odc_stac_peers,
    ours,
    stack_peer,
)
from bench.work import OURS, Goal, Measure, Peer, Work, faster
from support.scenes.served_items import COLLECTION, served_item
from support.servers import running
from support.servers.range_server import RequestLog, serving

DELAY = 0.02
"""Latency of each response in seconds."""


@contextmanager
def served_median(folder: Path) -> Iterator[Work]:
    """Work G, while its servers run."""
    with _served(folder, scenes.stack()) as (api, log):
        peers = odc_stac_peers(lambda: [api, COLLECTION], "--search")
        work = _work("G", "C again, searched in a STAC API", median_spec(), api, peers, [faster(4, ODC_STAC)])
        yield replace(work, log=log)


@contextmanager
def served_latest(folder: Path) -> Iterator[Work]:
    """The first of the works I, while its servers run."""
    with _served(folder, scenes.cloudy()) as (api, log):
        options = ("--search", "--composite", "latest")
        peer = stack_peer(ODC_STAC, "odc_stac_ndvi.py", lambda: [api, COLLECTION], *options, tolerance=1e-6)
        title = f"Latest of {scenes.CLOUDY_COUNT} cloudy scenes, searched in a STAC API"
        yield replace(_work("I", title, cloudy_spec("latest"), api, [peer], [faster(4, ODC_STAC)]), log=log)


@contextmanager
def served_enough(folder: Path) -> Iterator[Work]:
    """The last of the works I, while its servers run."""
    with _served(folder, scenes.season()) as (api, log):
        title = f"Median of {ENOUGH} of {scenes.SEASON_COUNT} observations, searched in a STAC API"
        spec = partial(cloudy_spec, "median")
        work = _work("I", title, spec(enough=ENOUGH), api, [], [Goal(Measure.SHARE_OF_TIME, 1, EVERY)])
        source = {"source": work.request()["source"]}
        peers = [
            enough_peer(lambda: [api, COLLECTION], "--search"),
            ours(EVERY, lambda: spec() | source),
            ours(f"{OURS}, clear scenes first", lambda: spec(enough=ENOUGH, prefer="clear") | source),
        ]
        yield replace(work, peers=peers, log=log)


def _work(
    letter: str, title: str, spec: dict[str, Any], api: str, peers: Sequence[Peer], goals: Sequence[Goal]
) -> Work:
    stac = {"url": api, "collection": COLLECTION, "datetime": "2024-01-01/2024-12-31"}
    title = f"{title}, from a server {1000 * DELAY:.0f} ms away"
    return Work(letter, title, lambda: spec | {"source": {"stac": stac}}, peers, goals)


@contextmanager
def _served(folder: Path, root: Path) -> Iterator[tuple[str, RequestLog]]:
    """Serve a folder of scenes, and their Items with a STAC API; yield its URL, and the requests of files."""
    log, rustac = RequestLog(), folder / "rustac"
    rustac.mkdir(exist_ok=True)
    with serving(root, log, DELAY) as address:
        served = [served_item(path, root, address) for path in items(root)]
        with running.stac_api(served, rustac) as api:
            yield api, log
