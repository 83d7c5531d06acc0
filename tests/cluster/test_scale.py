"""The operator copes with thousands of finished requests and with malformed objects."""

import json
import os
import re
import time

import pytest
from mosaic_crds.names import LABEL_FINISHED

from support.cluster.cluster import Document, Release, until
from support.cluster.many import create_finished

FINISHED = int(os.environ.get("MOSAIC_TEST_FINISHED", "1000"))
"""How many finished requests there are; decision 25 says what 10,000 cost."""
START_SECONDS = 15
LARGEST = 150 * 2**20
"""Bytes of memory."""


@pytest.fixture(scope="module")
def release(install) -> Release:
    """A release whose operator tests may kill; one request may run at a time."""
    return install("scale", values={"limits": {"maxRunning": 1}, "requests": {"ttlAfterFinished": "3000d"}})


def operator(release: Release) -> Document:
    """The running pod of the operator."""
    pods = release.get("pods", "--selector=app.kubernetes.io/component=operator")["items"]
    (pod,) = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return dict(pod)


def metric(release: Release, name: str) -> float:
    """The value of a metric of the operator."""
    pod = operator(release)["metadata"]["name"]
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}:8080/proxy/metrics"
    found = re.search(rf"^{name} (\S+)$", release.kubectl("get", "--raw", path), re.MULTILINE)
    assert found, f"{name} is not among the metrics"
    return float(found.group(1))


def unlabelled(release: Release) -> int:
    return len(release.get("mosaics", f"--selector=!{LABEL_FINISHED}")["items"])


def test_thousands_of_finished_requests_need_little_time_and_memory(
    release: Release, scenes, assert_whole, record_property
):
    release.scale(0)
    started = time.monotonic()
    create_finished(release.namespace, FINISHED, scenes.spec())
    record_property("seconds to create them", time.monotonic() - started)
    release.scale(1)
    until(lambda: unlabelled(release) == 0, "requests that an older version left are labelled", 300)
    assert metric(release, "process_resident_memory_bytes") < LARGEST
    for pod in release.operator_pods():
        release.kubectl("delete", "pod", pod)
    release.kubectl("rollout", "status", f"deployment/{release.name}", "--timeout=120s")
    started = time.monotonic()
    spec = scenes.spec(1)
    release.submit("newcomer", spec)
    release.wait_for("newcomer", "Planning", "Running", "Finalizing", "Succeeded", seconds=START_SECONDS)
    record_property("seconds until a new one is at work", time.monotonic() - started)
    assert metric(release, "process_resident_memory_bytes") < LARGEST
    assert metric(release, "mosaic_leading") == 1
    assert_whole(release, "newcomer", spec)
    (state,) = operator(release)["status"]["containerStatuses"]
    assert state["restartCount"] == 0


def test_malformed_pods_and_jobs_and_forged_labels_do_not_stop_the_operator(release: Release, scenes, assert_whole):
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    image = f"{release.cluster.registry}mosaic-worker:{release.cluster.tag}"
    container = {"name": "worker", "image": image, "command": ["sleep", "3600"], "securityContext": security}
    pod_spec = {
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    group = "mosaics.arbutus.dev"
    index = {"batch.kubernetes.io/job-completion-index": "not a number"}
    for name, labels in [
        ("odd-sweep", {f"{group}/step": "sweep"}),
        ("odd-step", {f"{group}/step": "dance", f"{group}/request": "among-odd-ones"}),
        ("odd-plan", {f"{group}/step": "plan", f"{group}/request": "among-odd-ones"}),
    ]:
        metadata = {"name": name, "labels": labels, "annotations": index}
        release.kubectl(
            "apply", "--filename", "-",
            given=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec}),
        )  # fmt: skip
        metadata = {"name": name, "labels": labels}
        spec = {"suspend": True, "template": {"metadata": {"labels": labels}, "spec": pod_spec}}
        release.kubectl(
            "apply", "--filename", "-",
            given=json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}),
        )  # fmt: skip
    spec = scenes.spec(2)
    release.sweep()
    release.submit("among-odd-ones", spec)
    assert_whole(release, "among-odd-ones", spec)
    (state,) = operator(release)["status"]["containerStatuses"]
    assert state["restartCount"] == 0
    assert "Traceback" not in release.kubectl("logs", f"deployment/{release.name}")
    for kind in ("pod", "job"):
        release.kubectl("delete", kind, "odd-sweep", "odd-step", "odd-plan", "--wait=false", "--ignore-not-found")


def test_removes_the_label_of_finished_requests_from_a_running_one(release: Release, scenes, assert_whole):
    spec = scenes.spec(2, "forged")
    held = scenes.path(1, "forged")
    scenes.gate.hold(held, first=0)
    release.submit("forged", spec)
    release.wait_for("forged", "Planning")
    release.kubectl("label", "mosaic", "forged", f"{LABEL_FINISHED}=Succeeded")
    until(lambda: unlabelled(release) == 1, "the label is taken off")
    scenes.gate.release(held)
    assert_whole(release, "forged", spec)
    until(lambda: unlabelled(release) == 0, "the label is on it when it is over")
    release.kubectl("label", "mosaic", "forged", f"{LABEL_FINISHED}-")
    until(lambda: unlabelled(release) == 0, "the label is on it again")
    assert release.status("forged")["phase"] == "Succeeded"


def test_deletes_finished_requests_after_some_time_and_keeps_their_mosaics(release: Release, scenes):
    spec = scenes.spec(1)
    uid = release.submit("kept", spec)
    release.wait_for("kept", "Succeeded")
    files = release.files(f"mosaics/{release.namespace}/kept/{uid}")
    assert len(files) == 4
    release.kubectl("set", "env", f"deployment/{release.name}", "MOSAIC_REQUEST_TTL=1s")
    release.sweep()
    until(lambda: not release.get("mosaics")["items"], "all finished requests are deleted", 300)
    assert release.files(f"mosaics/{release.namespace}/kept/{uid}") == files
