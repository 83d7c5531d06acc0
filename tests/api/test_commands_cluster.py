"""`mosaic submit`, `get`, `watch`, `cancel` and `fetch` in a namespace of a real API server."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mosaic_worker.finalize.results import Results
from mosaic_worker.local.run import run as run_here
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.store import open_store

from support.api.executors import spec_of, until
from support.api.kube_server import KubeServer
from support.api.serving import MOSAIC, write_request
from support.scenes.pipeline import request_of
from support.scenes.rasters import noise, write_raster

Command = Callable[..., list[str]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def namespace(kube: KubeServer) -> str:
    name = f"commands-{uuid.uuid4().hex[:8]}"
    kube.add_namespace(name)
    return name


@pytest.fixture
def environment(kube: KubeServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    """Environment variables with a kubeconfig. Its one context, `lab`, has the namespace of the test."""
    there = kube.configuration
    token = there.api_key["BearerToken"].removeprefix("Bearer ")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": there.host, "certificate-authority": there.ssl_ca_cert}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return os.environ | {"KUBECONFIG": str(path)}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def started(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(MOSAIC), *map(str, arguments), "--context", "lab"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)

    return started


def test_submits_watches_lists_and_fetches_a_request(kube, namespace, run, environment, tmp_path):
    for number, name in enumerate(("green", "swir16")):
        write_raster(tmp_path / f"{name}.tif", noise(300, 200, number))
    store = tmp_path / "store"
    made = run_here(request_of(spec_of("."), "snow"), own_machine(tmp_path), str(store), uid="u1")
    published = {file.name: file.read_bytes() for file in (store / made.folder).iterdir()}

    write_request(tmp_path / "snow.yaml", spec_of("https://example.org"))
    submitted = run("submit", tmp_path / "snow.yaml")
    assert submitted.returncode == 0, submitted.stderr
    applied = kube.request(namespace, "snow")
    assert applied["spec"]["product"] == {"index": "NDSI"}
    assert applied["metadata"]["uid"] in submitted.stderr
    assert "already exists" in run("submit", tmp_path / "snow.yaml").stderr

    command = [str(MOSAIC), "watch", "snow", "--context", "lab"]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    progress = {"rangesDone": 3, "rangesTotal": 8, "percent": 37}
    kube.set_status(namespace, "snow", {"phase": "Running", "message": "3 of 8 ranges done", "progress": progress})
    listed = run("get").stdout.splitlines()
    assert listed[1].split()[:4] == ["snow", "Running", "37", "%"]
    assert run("fetch", "snow").stderr.startswith("mosaic: snow has no result (Running)")
    results = Results(made.folder.split("/")[1], "snow", "u1")
    result = results.summary(json.dumps(made.item).encode(), open_store(str(store)))
    kube.set_status(
        namespace, "snow", {"phase": "Succeeded", "message": f"published {result['cog']}", "result": result}
    )
    out, errors = watching.communicate(timeout=60)
    assert (watching.returncode, out) == (0, f"published {result['cog']}\n"), errors

    fetched = run("fetch", "snow", "--to", tmp_path / "fetched")
    assert fetched.returncode == 0, fetched.stderr
    assert {file.name: file.read_bytes() for file in (tmp_path / "fetched").iterdir()} == published


def test_watch_ends_when_the_request_is_cancelled_or_deleted(kube, namespace, run, environment):
    for name in ("one", "two"):
        kube.apply(namespace, name, spec_of("https://example.org"))
    assert run("cancel", "one").returncode == 0
    assert kube.request(namespace, "one")["spec"]["execution"]["cancel"] is True
    kube.set_status(namespace, "one", {"phase": "Cancelled", "message": "cancelled"})
    assert run("watch", "one").stderr.endswith("mosaic: one: cancelled\n")
    assert run("cancel", "one").stderr == "one has already finished (Cancelled)\n"

    command = [str(MOSAIC), "watch", "two", "--context", "lab"]
    watching = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert "Running" in until(
        lambda: kube.set_status(namespace, "two", {"phase": "Running"}) or watching.stderr.readline()
    )
    kube.delete(namespace, "two")
    _, errors = watching.communicate(timeout=60)
    assert (watching.returncode, errors) == (42, "mosaic: two was deleted\n")


def test_errors_are_one_line(run, environment, tmp_path):
    missing = run("get", "nowhere")
    assert missing.returncode == 42
    assert missing.stderr == "mosaic: request nowhere not found; `mosaic get` lists all\n"
    command = [str(MOSAIC), "get", "--context", "elsewhere"]
    unknown = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert unknown.stderr == "mosaic: the kubeconfig has no context elsewhere; it has lab\n"
    kubeconfig = Path(environment["KUBECONFIG"])
    away = yaml.safe_load(kubeconfig.read_text())
    away["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig.write_text(yaml.safe_dump(away))
    gone = run("get")
    assert gone.returncode == 43
    assert "the cluster of lab does not respond" in gone.stderr
    assert gone.stderr.count("\n") == 1
