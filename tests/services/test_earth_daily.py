"""EarthDaily, on a fake server with its protocol: expired tokens and URLs are renewed, and refusals are explained."""

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.names import API_VERSION
from mosaic_worker.pod import main
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.http import sessions
from mosaic_worker.sources.kinds import earth_daily as client
from mosaic_worker.sources.kinds.registry import source_of
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.synthetic import write_scenes

from support.operator.pod_files import mounted
from support.scenes.pipeline import make, request_of
from support.servers.earth_daily import COLLECTION, URL_SECONDS, EarthDaily, earth_daily, items_in

SIDE = 512
UID = "0b5c8f0e-6a54-4c93-8f0e-0b5c8f0e6a54"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mosaics")
    list(write_scenes(folder, count=2, side=SIDE))
    return folder


@pytest.fixture
def server(folder, monkeypatch) -> Iterator[EarthDaily]:
    with earth_daily(folder, items_in(folder)) as state:
        for name, value in state.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sessions, "RetryPolicy", partial(sessions.RetryPolicy, first_seconds=0.001))
        yield state


def spec(server: EarthDaily, **changes: Any) -> dict[str, Any]:
    west, south, _, _ = server.items[0]["bbox"]
    _, _, east, north = server.items[1]["bbox"]
    return {
        "area": {"bbox": [west, min(south, server.items[1]["bbox"][1]), east, max(north, server.items[0]["bbox"][3])]},
        "source": {"earthDaily": {"datetime": "2024-06-01/2024-09-30"}},
        "product": {"index": "NDVI"},
        "grid": {"resolution": 10},
    } | changes


def found(server: EarthDaily, bands: tuple[str, ...] = ("red", "nir"), **changes: Any):
    return resolve(request_of(spec(server, **changes)).spec, bands, pod(server.address))


def step(name: str, server: EarthDaily, folder: Path, **more: str) -> tuple[int, dict[str, Any]]:
    """Run a step as a pod does."""
    request = {
        "apiVersion": API_VERSION, "kind": "MosaicRequest",
        "metadata": {"name": "earth", "namespace": "team", "uid": UID}, "spec": spec(server),
    }  # fmt: skip
    log = folder / "termination-log"
    log.write_text("")
    environment = {
        "MOSAIC_STORE": str(folder / "store"),
        "MOSAIC_ALLOWED_HOSTS": server.address, "MOSAIC_TERMINATION_LOG": str(log),
    }  # fmt: skip
    code = main([name], environment | mounted(request, folder) | more)
    return code, json.loads(log.read_text())


def made_by_pods(server: EarthDaily, folder: Path) -> Path:
    """Run all steps, and return the folder of the results."""
    code, summary = step("plan", server, folder)
    assert code == 0, summary
    for index in range(summary["ranges"]):
        assert step("tiles", server, folder, JOB_COMPLETION_INDEX=str(index))[0] == 0
    assert step("finalize", server, folder)[0] == 0
    (item,) = (folder / "store").rglob("mosaic.json")
    return item.parent


def test_the_mosaic_equals_that_of_the_files(server, folder, tmp_path):
    scenes = [{"item": str(path)} for path in sorted(folder.glob("*/item.json"))]
    listed = spec(server) | {"source": {"files": {"scenes": scenes}}, "grid": {"resolution": 10, "crs": "utm"}}
    made = made_by_pods(server, tmp_path)
    assert (made / "mosaic.tif").read_bytes() == make(tmp_path / "files", listed).cog


def test_replaces_a_token_that_expires_during_a_run(server, tmp_path):
    assert step("plan", server, tmp_path)[0] == 0
    server.forget_signatures()
    server.tokens.clear()
    assert step("tiles", server, tmp_path, JOB_COMPLETION_INDEX="0")[0] == 0
    assert server.counts["exchange"] == 2


class Forgetful(dict[str, float]):
    def __setitem__(self, *_: object) -> None:
        pass


def test_replaces_a_refused_token_only_once(server):
    source = source_of(request_of(spec(server)).spec.source, pod(server.address))
    catalogue = source.catalogue(source.signer())
    item = f"http://{server.address}/stac/collections/{COLLECTION}/items/{server.items[0]['id']}"
    assert catalogue.item(item).id == server.items[0]["id"]
    server.tokens.clear()
    assert catalogue.item(item).id == server.items[0]["id"]
    assert server.counts["exchange"] == 2
    server.tokens = Forgetful()
    with pytest.raises(RequestError, match="the server answered 401"):
        catalogue.item(item)
    assert server.counts["exchange"] == 3


def test_signs_urls_again_that_expire_during_a_run_without_a_note(server, tmp_path):
    assert step("plan", server, tmp_path)[0] == 0
    server.ahead = URL_SECONDS + 60
    code, summary = step("tiles", server, tmp_path, JOB_COMPLETION_INDEX="0")
    assert code == 0, summary
    code, result = step("finalize", server, tmp_path)
    assert (code, result["pixels"] > 0) == (0, True)


def test_signs_a_url_again_that_is_refused_before_it_expires(server, folder, tmp_path):
    from mosaic_worker.geometry.sampling import Window
    from mosaic_worker.sources.readers.open_sources import OpenSources
    from mosaic_worker.sources.readers.reading import read_window

    scenes = found(server).scenes
    gate = pod(server.address)
    sources = OpenSources(gate, source_of(request_of(spec(server)).spec.source, gate).signer(scenes))
    href = scenes[0].bands["red"].href
    image = sources.get(href, "red")
    server.forget_signatures()
    assert read_window(image, 1, Window(0, 0, SIDE, SIDE), "red").any()
    assert server.counts["refused file"] >= 1
    sources.close()


def test_waits_after_too_many_requests(server):
    server.busy = 3
    assert len(found(server).scenes) == 2
    assert server.counts["429"] == 3


def test_a_service_that_stays_busy_is_a_temporary_fault(server):
    server.busy = 1000
    with pytest.raises(PassingError, match=r"spec\.source\.earthDaily: the server answered 429"):
        found(server)


def test_nir08_replaces_nir_with_a_note_in_the_item(folder, monkeypatch, tmp_path):
    with earth_daily(folder, items_in(folder, nir="nir08")) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        made = made_by_pods(server, tmp_path)
    warnings = json.loads((made / "mosaic.json").read_text())["properties"]["mosaic:warnings"]
    assert warnings[0] == "nir08 replaces nir in 2 scenes without nir"


def test_an_asset_map_has_priority_over_a_replacement_band(folder, monkeypatch):
    with earth_daily(folder, items_in(folder, nir="nir08")) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        source = {"earthDaily": {"datetime": "2024-06-01/2024-09-30", "assets": {"nir": "nir08"}}}
        assert not any("stands in" in note for note in found(server, source=source).notes)


def test_refuses_an_asset_map_without_a_match_instead_of_replacing_the_band(folder, monkeypatch):
    with earth_daily(folder, items_in(folder, nir="nir08")) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        source = {"earthDaily": {"datetime": "2024-06-01/2024-09-30", "assets": {"nir": "B8"}}}
        with pytest.raises(RequestError, match=r"earthDaily\.assets\.nir: S2_SYNTHETIC_1 has no asset B8"):
            found(server, source=source)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda server: setattr(server, "secret", "changed"), "EarthDaily refuses the credentials (401); check EDS_"),
        (lambda server: setattr(server, "allowed", False), "the server answered 403"),
        (lambda server: os.environ.pop("EDS_SECRET"), "set EDS_SECRET of an EarthDaily account in the environment"),
        (lambda server: setattr(server, "items", []), "no scene of ai-ready-mosaics touches the area"),
    ],
    ids=["401", "403", "no secret", "nothing"],
)
def test_distinguishes_reasons_of_refusals(server, change, sentence):
    requested = spec(server)
    change(server)
    with pytest.raises(RequestError) as refused:
        resolve(request_of(requested).spec, ("red", "nir"), pod(server.address))
    assert sentence in str(refused.value)
    assert server.secret not in str(refused.value)


def test_limits_concurrent_requests_of_an_account(server, tmp_path):
    found(server)
    assert 1 <= server.most <= client.FILE_CONNECTIONS + client.CATALOGUE_CONNECTIONS


def test_neither_stores_nor_shows_secrets_and_signatures(server, tmp_path, capfd):
    for name in ("plan", "tiles", "finalize"):
        if name == "finalize":
            kept = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
            assert b"X-Amz" not in kept
        step(name, server, tmp_path, JOB_COMPLETION_INDEX="0")
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    output = "".join(capfd.readouterr())
    for secret in (server.secret, *server.tokens, *server.signatures):
        assert secret.encode() not in written
        assert secret not in output


REAL = "MOSAIC_TEST_EARTH_DAILY"
"""A bbox in degrees (west,south,east,north) where the account of EDS_CLIENT_ID and EDS_SECRET has mosaics."""


@pytest.mark.skipif(not os.environ.get(REAL), reason=f"{REAL} names no place of a real account")
def test_a_real_account(tmp_path):
    requested = {
        "area": {"bbox": [float(edge) for edge in os.environ[REAL].split(",")]},
        "source": {"earthDaily": {"datetime": "2020-01-01/.."}},
        "product": {"bands": ["red"]},
        "composite": {"method": "latest"},
    }
    made = make(tmp_path, requested)
    assert made.item["assets"]["mosaic"]["bands"][0]["statistics"]["valid_percent"] > 0
    assert "X-Amz" not in json.dumps(made.item)
