"""Whole mosaics in every kind of store: the same bytes as in a directory, resumed after faults, no leaked secrets."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import Place
from mosaic_crds import names, worker_pod
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.sweeping import sweep_abandoned

from support.operator.pod_files import mounted
from support.scenes.rasters import noise, write_raster
from support.servers.faults import Faults
from support.servers.forwarding import Answer, Request, serving
from support.servers.range_server import serving as serving_scenes

UID = "0b5c8f0e-6a54-4c93-8f0e-0b5c8f0e6a54"
FOLDER = f"mosaics/team/ndsi/{UID}"
SPEC = {
    "product": {"index": "NDSI"},
    "grid": {"resolution": 10, "resampling": "nearest"},
    "output": {"stretch": {"minmax": {}}},
    "execution": {"parallelism": 1},
}
REFUSED = Answer(403, {"x-ms-error-code": "AuthenticationFailed"}, b"<Error><Code>ExpiredToken</Code></Error>")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene so large that the mosaic is uploaded in parts."""
    folder = tmp_path_factory.mktemp("scenes")
    write_raster(folder / "green.tif", noise(1800, 2200, 1), tiled=True, blockxsize=256, blockysize=256)
    write_raster(folder / "swir16.tif", noise(1800, 2200, 2), tiled=True, blockxsize=256, blockysize=256)
    return folder


def document(prefix: str) -> dict[str, Any]:
    bands = {"green": f"{prefix}green.tif", "swir16": f"{prefix}swir16.tif"}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "ndsi", "namespace": "team", "uid": UID},
        "spec": SPEC | {"source": {"files": {"scenes": [{"bands": bands}]}}},
    }


def mosaic_run(scenes: Path, store: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run `mosaic run` as a user does."""
    request = document("")
    del request["metadata"]["uid"]
    (scenes / "request.yaml").write_text(json.dumps(request))
    command = [Path(sys.executable).parent / "mosaic", "run", scenes / "request.yaml", "--store", store, *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def results(store: Store) -> dict[str, bytes]:
    """The files of the only result."""
    found = {stored.key.rpartition("/")[2]: store.read(stored.key) for stored in store.list("mosaics/")}
    return {name: content for name, content in found.items() if content is not None}


@pytest.fixture(scope="module")
def expected(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files in a directory."""
    folder = tmp_path_factory.mktemp("directory")
    assert mosaic_run(scenes, str(folder)).returncode == 0
    found = results(open_store(str(folder)))
    assert len(found["mosaic.tif"]) > 10_000_000
    return found


def same(found: dict[str, bytes], expected: dict[str, bytes]) -> bool:
    """Whether all files have the same bytes, except the Item, which contains the time."""
    return found.keys() == expected.keys() and all(
        found[name] == expected[name] for name in expected if name != "mosaic.json"
    )


@pytest.fixture
def secrets(remote: Place) -> list[str]:
    """Text that must never be shown, also in the encoding of URLs."""
    plain = [value for name, value in remote.environment.items() if name.endswith(("KEY", "KEY_ID"))]
    return [spelt for secret in plain for spelt in (secret, quote(secret, safe=""))]


def leaked(secrets: list[str], *texts: str | bytes) -> list[str]:
    return [
        secret
        for secret in secrets
        for text in texts
        if secret.encode() in (text.encode() if isinstance(text, str) else text)
    ]


def test_mosaic_run_publishes_the_same_bytes_as_in_a_directory(
    remote: Place, scenes: Path, expected: dict[str, bytes], secrets: list[str]
) -> None:
    done = mosaic_run(scenes, remote.uri)
    assert done.returncode == 0, done.stderr
    store = open_store(remote.uri)
    found = results(store)
    assert same(found, expected)
    assert list(store.list("work/")) == []
    assert f"{remote.uri}/mosaics/team/ndsi/" in done.stdout
    again = mosaic_run(scenes, remote.uri)
    assert "This mosaic already exists" in again.stdout
    fresh = mosaic_run(scenes, remote.uri, "--fresh")
    assert fresh.returncode == 0
    assert same(results(store), expected)
    assert not leaked(secrets, done.stdout, done.stderr, again.stdout, fresh.stdout, fresh.stderr, found["mosaic.json"])


def test_a_run_reports_expired_credentials_and_resumes_with_new_ones(
    remote: Place, monkeypatch: pytest.MonkeyPatch, scenes: Path, expected: dict[str, bytes], secrets: list[str]
) -> None:
    """The credentials expire as soon as the first tile is recorded."""
    expired = []

    def choose(number: int, request: Request) -> Answer | None:
        if expired:
            return REFUSED
        if request.method == "PUT" and "/records/" in request.target:
            expired.append(number)
        return None

    assert remote.service is not None
    with serving(Faults(remote.service.address, choose)) as server:
        for name, value in remote.service.at(server.address).items():
            monkeypatch.setenv(name, value)
        stopped = mosaic_run(scenes, remote.uri)
    assert stopped.returncode == 43
    (sentence,) = [line for line in stopped.stderr.splitlines() if line.startswith("mosaic: ")]
    assert f"the store {remote.uri}/ refuses the credentials (" in sentence
    for name, value in remote.environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(remote.uri)
    kept = [stored.key for stored in store.list("work/")]
    assert [key for key in kept if key.endswith("plan.json")]
    assert [key for key in kept if "/records/" in key]
    assert not leaked(secrets, stopped.stdout, stopped.stderr, *(store.read(key) or b"" for key in kept))
    finished = mosaic_run(scenes, remote.uri)
    assert finished.returncode == 0
    assert "tiles of an earlier run: " in finished.stderr
    assert same(results(store), expected)


def step(name: str, request: dict[str, Any], tmp_path: Path, uri: str, **more: str) -> tuple[int, str, str]:
    """Run a pod's program; return its exit code, its termination message, and its output."""
    log = tmp_path / "termination-log"
    log.write_text("")
    environment = {
        worker_pod.ENV_STORE: uri,
        worker_pod.ENV_ALLOWED_HOSTS: request["spec"]["source"]["files"]["scenes"][0]["bands"]["green"].split("/")[2],
        worker_pod.ENV_TERMINATION_LOG: str(log),
    }
    done = subprocess.run(
        [sys.executable, "-m", "mosaic_worker", name],
        env=os.environ | environment | mounted(request, tmp_path) | more,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, log.read_text(), done.stdout + done.stderr


def test_pods_publish_the_same_bytes_and_the_item_last(
    remote: Place,
    monkeypatch: pytest.MonkeyPatch,
    scenes: Path,
    expected: dict[str, bytes],
    secrets: list[str],
    tmp_path: Path,
) -> None:
    """Before each request of finalize a reader checks that a published Item implies all files that it names."""
    seen: list[set[str]] = []
    store = open_store(remote.uri)

    def look(number: int, request: Request) -> None:
        seen.append({stored.key.rpartition("/")[2] for stored in store.list("mosaics/")})

    assert remote.service is not None
    with serving_scenes(scenes) as address, serving(Faults(remote.service.address)) as server:
        for name, value in remote.service.at(server.address).items():
            monkeypatch.setenv(name, value)
        request = document(f"http://{address}/")
        ended = [step("plan", request, tmp_path, remote.uri)]
        ranges = json.loads(ended[0][1])["ranges"]
        ended += [
            step("tiles", request, tmp_path, remote.uri, **{worker_pod.ENV_COMPLETION_INDEX: str(index)})
            for index in range(ranges)
        ]
        work = [store.read(stored.key) or b"" for stored in store.list("work/")]
        assert len(work) > 2 * ranges
        server.choose = look
        ended.append(step("finalize", request, tmp_path, remote.uri))
    assert [code for code, _, _ in ended] == [0] * (ranges + 2)
    result = json.loads(ended[-1][1])
    assert result["cog"] == f"{remote.uri}/{FOLDER}/mosaic.tif"
    found = results(store)
    assert same(found, expected)
    with_item = [files for files in seen if "mosaic.json" in files]
    assert with_item
    assert all(files == set(expected) for files in with_item)
    assert {"mosaic.tif", "mosaic.json"} - seen[0]
    assert not leaked(secrets, *work, found["mosaic.json"], *(text for _, *texts in ended for text in texts))


def test_a_pod_without_valid_credentials_reports_them_without_a_secret(
    remote: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = "d3Jvbmctd3Jvbmctd3Jvbmc="
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY" if remote.scheme == "s3" else "AZURE_STORAGE_KEY", wrong)
    code, message, printed = step("plan", document("http://127.0.0.1:1/"), tmp_path, remote.uri)
    assert code == 43
    assert "refuses the credentials" in json.loads(message)["message"]
    assert not leaked([wrong], message, printed)
    assert "Traceback" not in printed


def test_sweeps_abandoned_work(place: Place, store: Store) -> None:
    for uid in ("gone", "living"):
        store.create(names.plan_key(uid), [b"{}"])
        store.create(names.record_key(uid, 0, 0), [b"{}"])
    store.create(f"{FOLDER}/mosaic.tif", [b"kept"])
    assert sweep_abandoned({"living"}, before=0, store=store) == []
    assert sweep_abandoned({"living"}, before=2**40, store=store) == ["gone"]
    assert sorted(stored.key for stored in store.list(names.WORK_FOLDER)) == [
        names.plan_key("living"),
        names.record_key("living", 0, 0),
    ]
    assert store.read(f"{FOLDER}/mosaic.tif") == b"kept"
