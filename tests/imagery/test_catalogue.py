"""Search the ten real scenes in a real STAC API (rustac), and read them by byte ranges from a server."""

import numpy as np
from test_real_scenes import DATES, TILES, expected_median, make, read

from support.scenes.served_items import served_item
from support.servers import running
from support.servers.range_server import RequestLog, serving
from support.servers.real_catalogue import median_request, write_cogs


def test_median_of_scenes_from_a_catalogue(scenes, tmp_path):
    log = RequestLog()
    cogs, served = tmp_path / "cogs", tmp_path / "rustac"
    paths = write_cogs(scenes, cogs)
    served.mkdir()
    with serving(cogs, log) as files:
        items = [served_item(path, cogs, files) for path in paths]
        with running.stac_api(items, served) as url:
            result, folder = make(tmp_path, median_request(items, url))
    found, transform, crs = read(folder / "mosaic.tif")
    assert crs == "EPSG:32633"
    assert len(result.item["properties"]["mosaic:scenes"]) == len(TILES) * len(DATES)
    expected = expected_median(scenes, transform, found.shape, crs)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 1e-5
    whole = sum(path.stat().st_size for path in cogs.rglob("*.tif"))
    assert log.bytes < 1.5 * whole
