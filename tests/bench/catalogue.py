"""Work G: the composite of C, with scenes from a STAC API and a server with latency.

Here the number and size of requests matter, so both are counted for each tile of 1024 pixels.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import rasterio
import yaml
from mosaic_crds.names import API_VERSION

from bench import scenes
from bench.measure import run_once
from bench.works import HERE, PEERS_PYTHON, assert_same, median_request, our_mosaic
from support.scenes.served_items import COLLECTION, served_item
from support.servers import running
from support.servers.range_server import RequestLog, serving

TITLE = "G. C again, searched in a STAC API, from a server 20 ms away"
DELAY = 0.02
"""Latency of each response in seconds."""
TILE = 1024


def report(mosaic: Path, runs: int, folder: Path, environment: Mapping[str, str]) -> str:
    """Run our command and odc-stac in turn, and return a Markdown table."""
    stack, log = scenes.stack(), RequestLog()
    (folder / "rustac").mkdir()
    rows: dict[str, list[tuple[float, int, int]]] = {"mosaic run": [], "odc-stac + dask": []}
    with serving(stack, log, DELAY) as address:
        items = [served_item(path, stack, address) for path in sorted(stack.glob("*/item.json"))]
        with running.stac_api(items, folder / "rustac") as api:
            request, store, out = folder / "g.yaml", folder / "ours", folder / "peer"
            request.write_text(yaml.safe_dump(_document(api)))
            for turn in range(runs + 1):
                shutil.rmtree(store, ignore_errors=True)
                commands: dict[str, Sequence[str | Path]] = {
                    "mosaic run": [mosaic, "run", request, "--store", store],
                    "odc-stac + dask": [
                        PEERS_PYTHON, HERE / "peers" / "odc_stac_catalogue.py", out / "grid.json", out, api, COLLECTION,
                    ],
                }  # fmt: skip
                for name, command in commands.items():
                    if name != "mosaic run":
                        shutil.rmtree(out, ignore_errors=True)
                        out.mkdir()
                        tiles = _write_grid(our_mosaic(store), out / "grid.json")
                    log.requests.clear()
                    run = run_once(command, environment, folder / "log")
                    if turn:
                        rows[name].append((run.seconds, len(log.requests), log.bytes))
                assert_same(our_mosaic(store), out / "mosaic.tif", 0.002)
    shutil.rmtree(store)
    shutil.rmtree(out)
    lines = [
        f"### {TITLE}",
        "",
        "| | minimum s | median s | of ours | requests a tile | MiB a tile |",
        "|---|---|---|---|---|---|",
    ]
    ours = median(seconds for seconds, _, _ in rows["mosaic run"])
    for name, found in rows.items():
        seconds = [entry[0] for entry in found]
        requests, size = (median(entry[place] for entry in found) / tiles for place in (1, 2))
        lines.append(
            f"| {name} | {min(seconds):.2f} | {median(seconds):.2f} | {median(seconds) / ours:.2f} "
            f"| {requests:.1f} | {size / 2**20:.2f} |"
        )
    return "\n".join([*lines, ""])


def _document(api: str) -> dict[str, object]:
    stac = {"url": api, "collection": COLLECTION, "datetime": "2024-01-01/2024-12-31"}
    return {
        "apiVersion": API_VERSION,
        "kind": "MosaicRequest",
        "metadata": {"name": "bench-g"},
        "spec": median_request() | {"source": {"stac": stac}},
    }


def _write_grid(mosaic: Path, path: Path) -> int:
    """Write the grid of our mosaic for a peer, and return the number of tiles."""
    with rasterio.open(mosaic) as dataset:
        grid = {
            "crs": dataset.crs.to_string(), "transform": list(dataset.transform)[:6],
            "width": dataset.width, "height": dataset.height,
        }  # fmt: skip
    path.write_text(json.dumps(grid))
    return -(-grid["width"] // TILE) * -(-grid["height"] // TILE)
