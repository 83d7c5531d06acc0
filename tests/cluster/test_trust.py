"""User input in requests: it is not expanded, may be as large as the contract allows, and affects no other users."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from mosaic_crds.worker_pod import Step
from mosaic_operator.manifests import sweep_input, sweep_manifest, sweep_secret
from mosaic_operator.settings import Settings, settings_from
from rasterio.warp import transform

from support.cluster.cluster import Release, until
from support.scenes.large_requests import SCENES, largest_request
from support.scenes.rasters import noise, write_raster

STORE_KEY = "wJalrXUtnFEMI-K7MDENG"


def secrets_of(release: Release, uid: str) -> list[str]:
    """The Secrets that the operator made for a request."""
    names = [secret["metadata"]["name"] for secret in release.get("secrets")["items"]]
    return [name for name in names if name.startswith(f"mosaic-{uid}-")]


def test_does_not_expand_a_variable_in_a_reference(install, scenes):
    key = {"name": "AZURE_STORAGE_KEY", "valueFrom": {"secretKeyRef": {"name": "account", "key": "key"}}}
    release = install("expansion", {"worker": {"env": [key]}}, secrets={"account": {"key": STORE_KEY}})
    spec = scenes.spec(1)
    spec["source"]["files"]["scenes"][0]["bands"]["green"] = "$(AZURE_STORAGE_KEY)/green.tif"
    release.submit("expanded", spec)
    status = release.wait_for("expanded", "Failed", "Succeeded")
    assert "'$(AZURE_STORAGE_KEY)/green.tif' is a local file" in status["message"]
    for kind in ("mosaics", "events", "pods", "jobs"):
        assert STORE_KEY not in json.dumps(release.get(kind))


@pytest.mark.timeout(600)
def test_a_request_at_the_limits_of_the_contract_becomes_a_mosaic(shared: Release, scenes):
    write_raster(scenes.folder / "tiny.tif", noise(256, 256), tiled=True, blockxsize=128, blockysize=128)
    for number in range(SCENES):
        (scenes.folder / str(number)).mkdir()
        (scenes.folder / str(number) / "green.tif").symlink_to(scenes.folder / "tiny.tif")
    (longitude,), (latitude,) = transform("EPSG:32633", "EPSG:4326", [501_280], [4_998_720])
    requested = largest_request(f"http://{scenes.address}", (longitude, latitude))
    requested["metadata"] = {"name": "largest"}
    shared.cluster.apply(requested, "--namespace", shared.namespace, "--server-side")
    uid = shared.get("mosaic", "largest")["metadata"]["uid"]
    until(lambda: secrets_of(shared, uid), "its pods are given the request")
    status = shared.wait_for("largest", "Succeeded", "Failed", seconds=450)
    assert status["phase"] == "Succeeded", status["message"]
    assert status["plan"]["scenes"] == SCENES
    assert secrets_of(shared, uid) == []


def test_a_sweep_accepts_a_list_of_ten_thousand_requests(shared: Release):
    given = sweep_input([str(uuid4()) for _ in range(10_000)], settings := settings_of(shared), datetime.now(UTC))
    shared.kubectl("create", "--filename", "-", given=json.dumps(sweep_manifest("many-sweep", given, settings)))
    job = shared.get("job", "many-sweep")
    shared.kubectl("create", "--filename", "-", given=json.dumps(sweep_secret(given, job)))
    shared.kubectl("wait", "--for=condition=Complete", "job/many-sweep", "--timeout=120s")
    pods = shared.get("pods", f"--selector=job-name=many-sweep,mosaics.arbutus.dev/step={Step.SWEEP}")["items"]
    output = [pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] for pod in pods]
    assert ["swept" in json.loads(text) for text in output] == [True]
    shared.kubectl("delete", "job", "many-sweep")
    until(lambda: not [n for n in shared.get("secrets")["items"] if owner(n) == "many-sweep"], "its Secret has gone")


def test_refuses_a_priority_class_that_the_chart_does_not_list(shared: Release, scenes):
    shared.submit("critical", scenes.spec(1) | {"execution": {"priorityClass": "system-node-critical"}})
    status = shared.wait_for("critical", "Failed", "Succeeded", "Running")
    assert status["message"] == (
        'spec.execution.priorityClass is "system-node-critical"; this installation allows none'
    )
    assert shared.jobs("critical") == {}


def settings_of(release: Release) -> Settings:
    """The settings of the release's operator."""
    (container,) = release.get("deployment", release.name)["spec"]["template"]["spec"]["containers"]
    return settings_from(
        {e["name"]: e["value"].replace("$$", "$") for e in container["env"] if "value" in e}
    ).model_copy(update={"own_namespace": release.namespace})


def owner(secret: dict) -> str:
    """The name of the owner of a Secret."""
    return next((owner["name"] for owner in secret["metadata"].get("ownerReferences", ())), "")
