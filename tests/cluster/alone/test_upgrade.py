"""Upgrade and uninstall: the new CRD is served, and nothing that users created is lost."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from support.cluster.cluster import CHART, ROOT, Cluster, Document, Release, until

CRD = "mosaicrequests.mosaics.arbutus.dev"
WITH_CRD = {"crd": {"install": True}}
MANAGED = "app.kubernetes.io/managed-by"
OWNER = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The chart as an earlier version may have been: without a field of the status, and without a column."""
    chart = Path(shutil.copytree(CHART, tmp_path / "mosaic-operator"))
    path = chart / "files" / "mosaicrequest.yaml"
    document = yaml.safe_load(path.read_text())
    (version,) = document["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["plan"]["properties"]["warnings"]
    version["additionalPrinterColumns"] = [c for c in version["additionalPrinterColumns"] if c["name"] != "Ranges"]
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return chart


@pytest.fixture
def release(cluster: Cluster, scenes, worker_name, older: Path):
    """The older chart, installed with its CRD."""
    found = Release(cluster, f"upgraded-{worker_name}", scenes.address)
    # The CRD of the tests is installed already; Helm only changes objects with the name of its release.
    cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--filename", str(older / "files" / "mosaicrequest.yaml")
    )
    before = cluster.get("crd", CRD)["metadata"]
    mark(cluster, {MANAGED: "Helm"}, {OWNER[0]: found.name, OWNER[1]: found.namespace})
    found.install(WITH_CRD, older)
    yield found
    cluster.kubectl("delete", "namespace", found.namespace, "--wait=false")
    labels, annotations = before.get("labels", {}), before.get("annotations", {})
    mark(cluster, {MANAGED: labels.get(MANAGED)}, {key: annotations.get(key) for key in OWNER})
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(ROOT / "crds/mosaicrequest.yaml"))


def mark(cluster: Cluster, labels: dict[str, str | None], annotations: dict[str, str | None]) -> None:
    """Set the labels and annotations of the CRD by which Helm knows its owner; None removes one."""
    patch = json.dumps({"metadata": {"labels": labels, "annotations": annotations}})
    cluster.kubectl("patch", "crd", CRD, "--type=merge", f"--patch={patch}")


def served(cluster: Cluster) -> Document:
    """The CRD as the API server serves it."""
    (version,) = cluster.get("crd", CRD)["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    return {
        "columns": [column["name"] for column in version["additionalPrinterColumns"]],
        "plan": sorted(status["plan"]["properties"]),
    }


def test_an_upgrade_serves_the_new_crd_and_an_uninstall_keeps_the_objects_of_users(
    release: Release, scenes, assert_whole
):
    cluster = release.cluster
    before, spec = served(cluster), scenes.spec(1)
    uid = release.submit("before", spec)
    assert_whole(release, "before", spec)
    assert "RANGES" not in release.kubectl("get", "mosaics").splitlines()[0]

    release.upgrade(WITH_CRD)
    assert set(served(cluster)["columns"]) - set(before["columns"]) == {"Ranges"}
    assert set(served(cluster)["plan"]) - set(before["plan"]) == {"warnings"}
    assert "RANGES" in release.kubectl("get", "mosaics").splitlines()[0]
    aside = scenes.spec(2) | {"area": {"bbox": [14.99, 44.9, 15.05, 45.2]}}  # the second scene is outside this box
    release.submit("warned", aside)
    status = release.wait_for("warned", "Succeeded", "Failed")
    assert status["plan"]["warnings"] == ["skipped 1 scene outside the area"]
    assert status["message"].endswith("; skipped 1 scene outside the area")

    release.uninstall()
    (claim,) = release.get("pvc")["items"]
    assert claim["status"]["phase"] == "Bound"
    until(lambda: not release.operator_pods(), "the operator has gone")
    assert release.get("mosaic", "before")["metadata"]["uid"] == uid
    release.submit("meanwhile", spec)

    release.upgrade(WITH_CRD, command="install")
    assert_whole(release, "meanwhile", spec)
    assert_whole(release, "before", spec)
    assert [c["metadata"]["uid"] for c in release.get("pvc")["items"]] == [claim["metadata"]["uid"]]
