"""Scenes with signed URLs: requests carry the signature, but no file and no message contains it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from mosaic_crds.names import API_VERSION
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.local.run import run
from mosaic_worker.pod import main
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.kinds.registry import source_of
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve

from support.operator.pod_files import mounted
from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import RangeHandler, RequestLog, serving_by

RED, NIR = noise(700, 600, 1), noise(700, 600, 2)
SECRET = "verysecret"


@contextmanager
def requiring_signatures(folder: Path, good: dict[str, bool], log: RequestLog) -> Iterator[str]:
    """A server that returns files to requests with a valid signature; /get returns the file that the query names."""

    class Handler(RangeHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = parse_qs(url.query)
            if url.path.endswith(".json"):
                super().do_GET()
            elif not good.get(query.get("sig", [""])[0]):
                self.answer(403)
            else:
                if url.path == "/get":
                    self.path = "/" + query["file"][0]
                super().do_GET()

    Handler.log = log
    with serving_by(lambda *arguments: Handler(*arguments, directory=str(folder))) as address:
        yield address


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, RequestLog, dict[str, bool]]]:
    folder = tmp_path / "served"
    write_raster(folder / "red.tif", RED, tiled=True, blockxsize=256, blockysize=256)
    write_raster(folder / "nir.tif", NIR, tiled=True, blockxsize=256, blockysize=256)
    log, good = RequestLog(), {SECRET: True}
    with requiring_signatures(folder, good, log) as address:
        for name, query in (("item", f"?sig={SECRET}"), ("unsigned", "")):
            assets = {band: {"href": f"http://{address}/{band}.tif{query}"} for band in ("red", "nir")}
            item = {
                "type": "Feature", "stac_version": "1.0.0", "id": "SCENE", "bbox": [15, 45, 15, 45], "links": [],
                "geometry": {"type": "Point", "coordinates": [15, 45]}, "assets": assets,
                "properties": {"datetime": "2024-07-01T10:00:00Z"},
            }  # fmt: skip
            (folder / f"{name}.json").write_text(json.dumps(item))
        yield address, log, good


def scene(kind: str, address: str) -> dict[str, Any]:
    """A scene whose signatures are in the request or in an Item."""
    if kind == "item":
        return {"item": f"http://{address}/item.json?sig={SECRET}"}
    if kind == "query":
        urls = {band: f"http://{address}/get?file={band}.tif&sig={SECRET}" for band in ("red", "nir")}
    else:
        urls = {band: f"http://{address}/{band}.tif?sig={SECRET}&se=2099-01-01&sp=r" for band in ("red", "nir")}
    mask = {"href": urls["nir"], "values": "zero"}
    return {"bands": {"red": urls["red"], "nir": urls["nir"]}, "mask": mask}


def spec(kind: str, address: str) -> dict[str, Any]:
    return {"source": files(scene(kind, address)), "product": {"expression": "red - nir"}}


def written(folder: Path) -> str:
    """The text of all files below a folder."""
    return "\n".join(path.read_text() for path in folder.rglob("*.json"))


@pytest.mark.parametrize("kind", ["files", "query", "item"])
def test_each_pod_signs_its_reads_and_neither_stores_nor_shows_a_signature(served, tmp_path, capfd, kind):
    address, _, _ = served
    request = {
        "apiVersion": API_VERSION,
        "kind": "MosaicRequest",
        "metadata": {"name": "signed", "namespace": "team", "uid": "0b5c8f0e-6a54-4c93-8f0e-0b5c8f0e6a54"},
        "spec": spec(kind, address),
    }
    environment = {"MOSAIC_STORE": str(tmp_path / "store"), "MOSAIC_ALLOWED_HOSTS": address}
    environment |= mounted(request, tmp_path)
    assert main(["plan"], environment) == 0
    plan = written(tmp_path / "store")
    assert ("/get?file=red.tif" if kind == "query" else f'{address}/red.tif"') in plan
    assert SECRET not in plan
    ranges = len(json.loads(next((tmp_path / "store").rglob("plan.json")).read_text())["ranges"])
    for index in range(ranges):
        assert main(["tiles"], environment | {"JOB_COMPLETION_INDEX": str(index)}) == 0
    assert main(["finalize"], environment) == 0
    everything = written(tmp_path / "store")
    assert SECRET not in everything
    assert ('/get"' if kind == "query" else '/red.tif"') in everything
    assert (
        "?" not in next((tmp_path / "store").rglob("mosaic.json")).read_text()
    )  # because any query may contain secrets
    shown = capfd.readouterr()
    assert SECRET not in shown.out + shown.err


@pytest.mark.parametrize("kind", ["files", "query", "item"])
def test_another_signature_gives_the_same_mosaic_on_one_machine(served, tmp_path, kind):
    address, _, good = served
    first = make(tmp_path, spec(kind, address), workers=2)
    assert np.array_equal(first.values(), RED.astype(np.float32) - NIR)
    good["other"] = True
    other = json.loads(json.dumps(spec(kind, address)).replace(SECRET, "other"))
    assert run(request_of(other), own_machine(tmp_path), str(tmp_path / "store")).found
    assert SECRET not in written(tmp_path / "store")


def test_a_query_that_selects_the_file_distinguishes_two_mosaics(served, tmp_path):
    address, _, _ = served
    one = {"source": files(scene("query", address)), "product": {"bands": ["red"]}}
    two = json.loads(json.dumps(one).replace("file=red.tif", "file=nir.tif"))
    first, second = make(tmp_path, one), make(tmp_path, two)
    assert first.folder != second.folder
    assert np.array_equal(first.values(), RED)
    assert np.array_equal(second.values(), NIR)


def test_uses_a_renewed_signature_of_an_item_during_a_run(served, tmp_path):
    address, log, good = served
    request = request_of(spec("item", address))
    gate = own_machine(tmp_path)
    band = resolve(request.spec, ("red", "nir"), gate).scenes[0].bands["red"]
    assert band.href == f"http://{address}/red.tif"
    sources = OpenSources(gate, source_of(request.spec.source, gate).signer())
    image = sources.get(band.href, "x")
    good[SECRET], good["renewed"] = False, True
    item = tmp_path / "served" / "item.json"
    item.write_text(item.read_text().replace(SECRET, "renewed"))
    log.requests.clear()
    image.fetch(1, Window(256, 256, 512, 512))
    assert [re.sub(r".*\?", "", path) for path in log.paths if "tif" in path] == [f"sig={SECRET}", "sig=renewed"]
    sources.close()


@pytest.mark.parametrize("kind", ["files", "query", "item"])
def test_the_error_about_a_refused_signature_does_not_show_it(served, tmp_path, kind):
    address, _, good = served
    good.clear()
    with pytest.raises(Exception, match="the server answered 403 for http://") as caught:
        make(tmp_path, spec(kind, address))
    assert SECRET not in str(caught.value)
