"""Requests in queues of a real Kueue, which admits their Jobs, lets them wait, and preempts them."""

from collections.abc import Callable, Iterator

import pytest
import yaml

from support.cluster.cluster import ROOT, Cluster, Document, Release, until
from support.cluster.printed import blocks

QUEUE = "research"
WAITS = f"waiting in the queue {QUEUE}"
ONE_POD = "15m"
"""CPU for one pod of these tests: each requests 10m."""


@pytest.fixture(scope="module")
def kueue(cluster: Cluster) -> Cluster:
    """The cluster with Kueue, which stays: it manages only namespaces that have its label."""
    if not cluster.lab:
        pytest.skip("Kueue is only installed in the lab")
    cluster.lab_command("kueue")
    return cluster


@pytest.fixture(scope="module")
def priorities(kueue: Cluster, worker_name: str) -> Iterator[dict[str, str]]:
    """The names of two PriorityClasses."""
    names = {name: f"{name}-{worker_name}" for name in ("routine", "urgent")}
    for value, name in enumerate(names.values()):
        kueue.apply(
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": value,
                "preemptionPolicy": "Never",  # by the scheduler; Kueue decides on its own
            }
        )
    yield names
    kueue.kubectl("delete", "priorityclasses", *names.values())


@pytest.fixture(scope="module")
def queued(kueue: Cluster, install, priorities: dict[str, str]) -> Iterator[Callable[..., Release]]:
    """A function that installs a release whose namespace has the queue of the docs, with room for one pod at a time."""
    names = []

    def installed(purpose: str, inline_seconds: int) -> Release:
        allowed = {"queues": [QUEUE], "priorityClasses": [*priorities.values()]}
        release: Release = install(purpose, {"requests": allowed, "worker": {"inlineSeconds": inline_seconds}})
        names.append(release.namespace)
        kueue.kubectl("label", "namespace", release.namespace, "kueue=managed")
        for document in documented_queue(release.namespace, ONE_POD):
            kueue.apply(document)
        return release

    yield installed
    kueue.kubectl("delete", "clusterqueues,resourceflavors", *names, "--wait=false")


@pytest.fixture(scope="module")
def release(queued) -> Release:
    """A release that makes each mosaic in one pod."""
    return queued("queued", inline_seconds=20)


@pytest.fixture(scope="module")
def staged(queued) -> Release:
    """A release in which each step has its Job."""
    return queued("staged", inline_seconds=0)


def documented_queue(namespace: str, cpu: str) -> list[Document]:
    """The objects of the queue in the docs, for a namespace, with another quota of CPU."""
    docs = (ROOT / "docs" / "operations" / "install.md").read_text()
    (block,) = [block for block in blocks(docs, "    ") if "kind: ClusterQueue" in block]
    _, _, text = block.partition("<<'END'\n")
    flavor, cluster_queue, queue = yaml.safe_load_all(text.removesuffix("\nEND"))
    name = flavor["metadata"]["name"] = cluster_queue["metadata"]["name"] = queue["spec"]["clusterQueue"] = namespace
    queue["metadata"]["namespace"] = namespace
    (found,) = cluster_queue["spec"]["resourceGroups"][0]["flavors"]
    found["name"] = name
    (quota,) = [resource for resource in found["resources"] if resource["name"] == "cpu"]
    quota["nominalQuota"] = cpu
    return [flavor, cluster_queue, queue]


def wait_for_message(release: Release, name: str, message: str) -> Document:
    """Wait until the status of a request has a message; return the status."""

    def found() -> Document | None:
        status = release.status(name)
        return status if status.get("message") == message else None

    return until(found, f"{name}: {message}")


def admitted_steps(release: Release, name: str) -> set[str]:
    """The steps of a request whose Jobs Kueue has admitted."""
    steps = {job["metadata"]["uid"]: step for step, job in release.jobs(name).items()}
    workloads = [w for w in release.get("workloads")["items"] if state(w.get("status", {}), "Admitted") == "True"]
    owners = {workload["metadata"]["ownerReferences"][0]["uid"] for workload in workloads}
    return {step for uid, step in steps.items() if uid in owners}


def state(status: Document, condition: str) -> str:
    """The status of a condition; empty if there is none of that type."""
    return next((c["status"] for c in status.get("conditions", ()) if c["type"] == condition), "")


def test_a_queue_with_room_admits_a_request(release: Release, scenes, assert_whole):
    spec = scenes.spec(1, prefix="admitted", execution={"queue": QUEUE})
    release.submit("admitted", spec)
    assert_whole(release, "admitted", spec)
    assert admitted_steps(release, "admitted") == {"plan"}


def test_a_request_waits_while_the_queue_is_full_and_its_status_says_so(release: Release, scenes, assert_whole):
    specs = {name: scenes.spec(1, prefix=name, execution={"queue": QUEUE}) for name in ("ahead", "behind")}
    scenes.gate.hold(scenes.path(0, "ahead"), first=0)
    release.submit("ahead", specs["ahead"])
    scenes.gate.wait_for_reader(scenes.path(0, "ahead"))
    release.submit("behind", specs["behind"])
    waiting = wait_for_message(release, "behind", WAITS)
    assert waiting["phase"] == "Planning"
    assert "suspendedSince" in waiting  # the clock of its deadline is stopped
    assert not release.pods("behind")
    scenes.gate.release_all()
    for name, spec in specs.items():
        assert_whole(release, name, spec)


def test_a_suspended_request_leaves_its_place_in_the_queue_to_others(release: Release, scenes, assert_whole):
    specs = {name: scenes.spec(1, prefix=name, execution={"queue": QUEUE}) for name in ("pausing", "passing")}
    scenes.gate.hold(scenes.path(0, "pausing"), first=0)
    release.submit("pausing", specs["pausing"])
    scenes.gate.wait_for_reader(scenes.path(0, "pausing"))
    release.execute("pausing", suspend=True)
    release.submit("passing", specs["passing"])
    assert_whole(release, "passing", specs["passing"])
    assert release.status("pausing")["phase"] == "Suspended"
    scenes.gate.release_all()
    release.execute("pausing", suspend=False)
    assert_whole(release, "pausing", specs["pausing"])


def test_a_request_of_higher_priority_preempts_another_which_later_continues(
    staged: Release, scenes, priorities, assert_whole
):
    # Without retries, a range that fails once ends the request: that of the preempted pod must not count.
    specs = {
        name: scenes.spec(
            count,
            prefix=name,
            execution={"queue": QUEUE, "parallelism": 1, "retriesPerRange": 0, "priorityClass": priorities[name]},
        )
        for name, count in (("routine", 2), ("urgent", 1))
    }
    held = scenes.path(1, "routine")
    scenes.gate.hold(held)
    staged.submit("routine", specs["routine"])
    scenes.gate.wait_for_reader(held, readers=2)
    staged.submit("urgent", specs["urgent"])
    preempted = wait_for_message(staged, "routine", f"1 of 2 tiles done; {WAITS}")
    assert state(preempted, "Degraded") == "False"
    assert_whole(staged, "urgent", specs["urgent"])
    assert admitted_steps(staged, "urgent") == {"plan", "tiles", "finalize"}
    assert staged.status("routine")["phase"] == "Running"
    scenes.gate.release_all()
    assert_whole(staged, "routine", specs["routine"])
    assert len(staged.pods("routine", "tiles", index=0)) == 1  # finished before, and not computed again
