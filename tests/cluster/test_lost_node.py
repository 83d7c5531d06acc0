"""A node fails permanently. Other tests may run: only pods of this test are scheduled to that node."""

import json
import threading
from datetime import UTC, datetime

import pytest

from support.cluster.cluster import Cluster, Document, Release, until


@pytest.fixture(autouse=True)
def _only_here(cluster: Cluster) -> None:
    if not cluster.lab:
        pytest.skip("a node is added and lost, which is done in the lab only")


@pytest.fixture
def second_node(cluster: Cluster):
    """A Node whose kubelet is this test: it renews the Lease until the event is set."""
    label = {"mosaic-test/lost": "true"}
    capacity = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    taint = {"key": "mosaic-test/lost", "effect": "NoSchedule"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node2", "labels": label},
        "spec": {"taints": [taint]},
    }
    cluster.apply(node)
    dead = threading.Event()

    def now() -> str:
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def heartbeat() -> None:
        while True:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "node2", "namespace": "kube-node-lease"},
                "spec": {"holderIdentity": "node2", "leaseDurationSeconds": 40, "renewTime": now()},
            }
            cluster.apply(lease)
            ready = {"type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": now()[:19] + "Z"}
            status = {"status": {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}}
            cluster.kubectl(
                "patch", "node", "node2", "--subresource=status", "--type=merge", f"--patch={json.dumps(status)}"
            )
            if dead.wait(5):
                return

    thread = threading.Thread(target=heartbeat)
    thread.start()
    yield dead
    dead.set()
    thread.join()
    cluster.kubectl("delete", "node", "node2", "--ignore-not-found")
    cluster.kubectl("label", "node", "node1", "mosaic-test/lost-")


@pytest.mark.timeout(600)
def test_a_request_and_a_sweep_survive_the_loss_of_a_node(install, cluster: Cluster, scenes, second_node, assert_whole):
    worker = {"nodeSelector": {"mosaic-test/lost": "true"}, "tolerations": [{"key": "mosaic-test/lost"}]}
    release = install("lost", values={"worker": worker})
    spec = scenes.spec(2, "lost")
    release.submit("lost", spec)
    (pod,) = until(lambda: on_node2(release.pods("lost")), "it is on node2")
    (sweep,) = until(lambda: on_node2(sweeps(release)), "the sweep is on node2")
    second_node.set()
    cluster.kubectl("label", "node", "node1", "mosaic-test/lost=true", "--overwrite")
    release.wait_for("lost", "Succeeded", "Failed", seconds=400)  # after the node is marked as lost
    assert_whole(release, "lost", spec)
    until(lambda: [p for p in sweeps(release) if p["status"]["phase"] == "Succeeded"], "the sweep is done")
    names = [p["metadata"]["name"] for p in release.pods("lost") + sweeps(release)]
    log = release.kubectl("logs", f"deployment/{release.name}")
    for lost in (pod, sweep):
        assert lost["metadata"]["name"] not in names
        assert f"giving up pod {lost['metadata']['name']} " in log


def sweeps(release: Release) -> list[Document]:
    """The pods of a release's sweeps."""
    return list(release.get("pods", "--selector=mosaics.arbutus.dev/step=sweep")["items"])


def on_node2(pods: list[Document]) -> list[Document]:
    """The pods that are on the lost node."""
    return [pod for pod in pods if pod["spec"].get("nodeName") == "node2"]
