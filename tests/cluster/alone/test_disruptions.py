"""Components of the cluster fail; nothing else may run at the same time."""

import pytest

from support.cluster.cluster import Cluster, Release


@pytest.fixture(autouse=True)
def _only_here(cluster: Cluster) -> None:
    if not cluster.lab:
        pytest.skip("components of the cluster are killed, which is done in the lab only")


@pytest.fixture
def halfway(shared: Release, scenes):
    def start(name: str):
        spec = scenes.spec(2, name)
        held = scenes.path(1, name)
        scenes.gate.hold(held)
        shared.submit(name, spec)
        scenes.gate.wait_for_reader(held, readers=2)
        return spec, held

    return start


def test_survives_a_restart_of_the_api_server_while_ranges_are_computed(shared: Release, scenes, halfway, assert_whole):
    spec, held = halfway("apiless")
    shared.cluster.lab_command("kill", "kube-apiserver")
    scenes.gate.release(held)
    shared.cluster.lab_command("start", "kube-apiserver")
    assert_whole(shared, "apiless", spec)


def test_survives_a_restart_of_the_kubelet_while_ranges_are_computed(shared: Release, scenes, halfway, assert_whole):
    spec, held = halfway("kubeletless")
    shared.cluster.lab_command("restart", "kubelet")
    scenes.gate.release(held)
    assert_whole(shared, "kubeletless", spec)
