"""Requests of the API survive a crash of the API server and the deletion of the CRD; nothing else may run."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from mosaic_crds.names import GROUP, PLURAL

from support.cluster.cluster import ROOT, Cluster
from support.cluster.rest import POD_PORT, Api


@pytest.fixture(scope="module")
def api(cluster: Cluster, install_api: Callable[..., Api]) -> Api:
    """A release with the API."""
    if not cluster.lab:
        pytest.skip("the requests of others would be deleted, and components of the cluster are killed")
    return install_api("api-faults", "https://mosaics.example.org", {})


@pytest.fixture
def direct(api: Api) -> Iterator[Api]:
    """The same API at its pod's address, as an Ingress reaches it: kubectl needs the API server."""
    (pod,) = api.pods()
    address = api.release.get("pod", pod)["status"]["podIP"]
    with closing(Api(api.release, api.token, f"http://{address}:{POD_PORT}")) as made:
        yield made


def test_a_request_made_while_the_api_server_is_down_runs_once_it_is_up_again(
    api: Api, direct: Api, cluster: Cluster, scenes, assert_whole
):
    spec = scenes.spec(2)
    cluster.lab_command("kill", "kube-apiserver")
    try:
        requested = direct.submit("apiless", spec)
        found = direct.wait_for(
            requested, lambda found: "Waiting for the cluster" in found["status"].get("message", "")
        )
        assert found["phase"] == "Pending"
    finally:
        cluster.lab_command("start", "kube-apiserver")
    direct.published(requested)
    assert_whole(api.release, "apiless", spec)
    assert len(direct.all("apiless")) == len(api.release.get("mosaics")["items"]) == 1


def test_requests_survive_the_deletion_of_the_crd(api: Api, cluster: Cluster, scenes, assert_whole):
    done = api.published(api.submit("done", scenes.spec(1)))
    spec = scenes.spec(2, "undefined")
    scenes.gate.hold(scenes.path(1, "undefined"))
    running = api.submit("running", spec)
    api.wait_for_phase(running, "Running")
    before = api.release.get("mosaic", "running")["metadata"]["uid"]
    cluster.kubectl("delete", "crd", f"{PLURAL}.{GROUP}", "--timeout=60s")
    scenes.gate.release_all()
    cluster.kubectl("apply", "--server-side", "--filename", str(ROOT / "crds" / "mosaicrequest.yaml"))
    api.published(running)
    assert_whole(api.release, "running", spec)
    (asked_again,) = api.release.get("mosaics")["items"]
    assert (asked_again["metadata"]["name"], asked_again["metadata"]["uid"] != before) == ("running", True)
    assert api.get(done["id"]) == done
    assert api.release.read(done["status"]["result"]["cog"])
    assert len(api.all("done")) == len(api.all("running")) == 1
