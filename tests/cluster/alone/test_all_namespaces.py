"""One operator serves all namespaces, also new ones; no other operator may run at the same time."""

from dataclasses import replace

import pytest

from support.cluster.cluster import Cluster, Release, until
from support.cluster.storage import CLAIM, claim_same_storage


@pytest.fixture
def everywhere(cluster: Cluster, scenes, worker_name, tmp_path):
    """A release that serves all namespaces, and a namespace that is created after it."""
    if not cluster.lab:
        pytest.skip("it would take the requests of others; and the storage is a folder of the lab's node")
    release = Release(cluster, f"everywhere-{worker_name}", scenes.address)
    later = replace(release, namespace=f"later-{worker_name}")
    release.create_namespace()
    claim_same_storage(cluster, tmp_path, [release.namespace])
    values = {"allNamespaces": True, "store": {"existingClaim": CLAIM, "claimInEveryNamespace": True}}
    release.upgrade(values, command="install")
    later.create_namespace()
    claim_same_storage(cluster, tmp_path, [later.namespace])
    later.start_reader()
    yield release, later
    release.uninstall()
    for place in (release, later):
        cluster.kubectl("delete", "namespace", place.namespace, "--wait=false")


def test_a_namespace_that_is_created_after_the_operator_is_served(everywhere, scenes, assert_whole):
    release, later = everywhere
    spec = scenes.spec(2)
    later.submit("late", spec)
    assert_whole(later, "late", spec)
    sweeps = until(lambda: release.get("jobs", "--selector=mosaics.arbutus.dev/step=sweep")["items"], "it sweeps")
    hours = {sweep["metadata"]["creationTimestamp"][:13] for sweep in sweeps}
    assert len(sweeps) == len(hours)  # one for all namespaces; another at the full hour
    assert later.get("jobs", "--selector=mosaics.arbutus.dev/step=sweep")["items"] == []
