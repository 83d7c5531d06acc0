"""Requests that an older CRD accepted and this version refuses: they fail with a message."""

import json

import pytest
import yaml

from support.cluster.cluster import ROOT, Cluster, Release

LONG = "999999d999999d999999d999999d"


@pytest.fixture
def older(cluster: Cluster):
    """Install the CRD as it was before durations were bounded; return the function that installs the current one."""
    path = ROOT / "crds" / "mosaicrequest.yaml"
    document = yaml.safe_load(path.read_text())
    (version,) = document["spec"]["versions"]
    execution = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["execution"]
    for field in ("deadline", "rangeDeadline", "ttlAfterFinished"):
        (form, _bound) = execution["properties"][field]["x-kubernetes-validations"]
        execution["properties"][field]["x-kubernetes-validations"] = [form]

    def apply(given: str) -> None:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", given=given)

    apply(json.dumps(document))
    yield lambda: apply(path.read_text())
    apply(path.read_text())


def test_requests_with_a_duration_that_an_older_crd_accepted_fail_with_a_message(install, scenes, older, assert_whole):
    release: Release = install("old", values={"limits": {"maxRunning": 1}})
    release.scale(0)
    names = {field: f"endless-{field.lower()}" for field in ("deadline", "ttlAfterFinished")}
    for field, name in names.items():
        release.submit(name, scenes.spec(1) | {"execution": {field: LONG}})
    older()
    release.scale(1)
    for field, name in names.items():
        status = release.wait_for(name, "Failed", "Succeeded")
        assert status["message"] == f'the request: spec.execution.{field} is "{LONG}"; it must be at most 30d'
    spec = scenes.spec(1)
    release.submit("next", spec)
    assert_whole(release, "next", spec)
