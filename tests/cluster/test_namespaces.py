"""One operator serves some namespaces in turn, and has no rights in others."""

import json
from dataclasses import replace

import pytest
from mosaic_crds.crd import UNSEEN

from support.cluster.cluster import Cluster, Release
from support.cluster.storage import CLAIM, claim_same_storage

RIGHTS = {
    ("", "pods", "list"), ("", "pods", "delete"), ("", "events", "create"), ("batch", "jobs", "create"),
    ("batch", "jobs", "delete"), ("", "secrets", "create"), ("", "secrets", "delete"),
    ("mosaics.arbutus.dev", "mosaicrequests", "list"),
}  # fmt: skip


@pytest.fixture(scope="module")
def many(cluster: Cluster, scenes, worker_name, tmp_path_factory):
    """A release and the two namespaces that it serves; two requests may run at the same time."""
    if not cluster.lab:
        pytest.skip("the storage behind several claims is a folder of the node, which is this machine only in the lab")
    release = Release(cluster, f"many-{worker_name}", scenes.address)
    served = [replace(release, namespace=f"{name}-{worker_name}") for name in ("forest", "snow")]
    for place in (release, *served):
        place.create_namespace()
    claim_same_storage(cluster, tmp_path_factory.mktemp("storage"), [place.namespace for place in served])
    values = {
        "namespaces": [place.namespace for place in served],
        "store": {"existingClaim": CLAIM, "claimInEveryNamespace": True},
        "limits": {"maxRunning": 2, "maxRunningPerNamespace": 2},
    }
    release.upgrade(values, command="install")
    for place in served:
        place.start_reader()
    yield (release, *served)
    for place in (release, *served):
        cluster.kubectl("delete", "namespace", place.namespace, "--wait=false")


def may(release: Release, namespace: str, group: str, resource: str, verb: str) -> bool:
    """Whether the operator of a release may do something in a namespace."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{release.namespace}:{release.name}",
            "resourceAttributes": {"namespace": namespace, "group": group, "resource": resource, "verb": verb},
        },
    }
    answer = release.cluster.kubectl("create", "--filename", "-", "--output", "json", given=json.dumps(review))
    return bool(json.loads(answer)["status"]["allowed"])


def test_requests_of_the_listed_namespaces_become_mosaics_in_one_storage(many, scenes, assert_whole):
    release, forest, snow = many
    spec = scenes.spec(1)
    release.submit("unserved", spec)
    for place in (forest, snow):
        place.submit("served", spec)
    for place in (forest, snow):
        assert_whole(place, "served", spec)
    assert len(snow.files(f"mosaics/{forest.namespace}")) == 4
    assert release.status("unserved") == {"conditions": [UNSEEN]}


def test_the_operator_has_rights_only_in_the_listed_namespaces(many):
    release, forest, snow = many
    for place in (forest, snow):
        assert all(may(release, place.namespace, *right) for right in RIGHTS)
    for elsewhere in (release.namespace, "default", "kube-system"):
        assert not [right for right in RIGHTS if may(release, elsewhere, *right)]
    for namespace in (forest.namespace, release.namespace):
        assert not may(release, namespace, "", "secrets", "get")


def test_a_free_slot_goes_to_the_namespace_with_fewer_running_requests(many, scenes, assert_whole):
    _, forest, snow = many
    held = {name: scenes.path(0, f"many-{name}") for name in ("first", "second", "late")}
    for path in held.values():
        scenes.gate.hold(path)
    spec = {name: scenes.spec(1, prefix=f"many-{name}") for name in (*held, "third")}
    for name in ("first", "second"):
        forest.submit(name, spec[name])
        forest.wait_for(name, "Running")
    forest.submit("third", spec["third"])
    assert "only 2 per namespace may run at once" in forest.wait_for("third", "Pending")["message"]
    snow.submit("late", spec["late"])
    assert snow.wait_for("late", "Pending")["message"] == "Waiting behind 2 other requests: only 2 may run at once"
    scenes.gate.release(held["first"])
    snow.wait_for("late", "Running")
    assert forest.status("third")["phase"] == "Pending"
    scenes.gate.release_all()
    assert_whole(snow, "late", spec["late"])
    assert_whole(forest, "third", spec["third"])
