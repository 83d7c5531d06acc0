"""The chart's network policies, enforced by kube-router as in k3s: each allows what its pods need and no more."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from support.cluster.cluster import Cluster, Document, Release, until
from support.cluster.connections import Address, Place, accepting
from support.cluster.postgres import Postgres
from support.cluster.scene_server import Gate, serving

PUBLIC = "203.0.113.10"
"""An address of this machine that is not private (TEST-NET-3)."""
BRIDGE = "mosaic-lab"
OTHER_PORT = 9000
"""A port that the chart does not open."""
BASE = {"the Service of the API server", "the API server", "DNS"}
SOURCES = {"the scenes", "public scenes"}
OPEN = {"the operator", "the API"}
ALLOWED = {
    "operator": BASE,
    "api": BASE | SOURCES | {"the database"},
    "worker": {"DNS"} | SOURCES,
    "test": BASE | {"the operator"},
    "stranger": BASE | SOURCES | OPEN | {"the database", "another port", "another public port", "a private address"},
}
"""What a pod of each kind reaches. No policy restricts the stranger, but those of its targets do."""


@dataclass(frozen=True)
class World:
    """A release with a pod of each kind, and addresses that accept connections.

    Attributes:
        release: The release.
        places: The pods by kind.
        sites: The addresses by name.
    """

    release: Release
    places: Mapping[str, Place]
    sites: Mapping[str, Address]


@pytest.fixture(scope="module", autouse=True)
def enforced(cluster: Cluster) -> Iterator[None]:
    """Enforce the policies, before the chart is installed."""
    if not cluster.lab:
        pytest.skip("whether another cluster enforces policies, and for which addresses, is unknown")
    cluster.lab_command("policies", "on")
    yield
    cluster.lab_command("policies", "off")


@pytest.fixture(scope="module")
def public(enforced: None) -> Iterator[str]:
    """A public address."""
    subprocess.run(["ip", "address", "replace", f"{PUBLIC}/32", "dev", BRIDGE], check=True)
    yield PUBLIC
    subprocess.run(["ip", "address", "delete", f"{PUBLIC}/32", "dev", BRIDGE], check=True)


@pytest.fixture(scope="module")
def held_scenes(cluster: Cluster, scenes) -> Iterator[Any]:
    """Scenes whose readers wait until the end of the module."""
    gate = Gate()
    gate.hold(scenes.path(0), first=0)
    with serving(scenes.folder, cluster.host, gate) as address:
        yield replace(scenes, address=address, gate=gate)


@pytest.fixture(scope="module")
def release(enforced: None, install_api: Callable[..., Any], held_scenes) -> Iterator[Release]:
    """A release with the API, and a worker that waits for its scene."""
    found: Release = install_api("policed", "http://127.0.0.1:8080", {"allowedHosts": [held_scenes.address]}).release
    found.submit("policed", held_scenes.spec(1))
    yield found
    found.delete("policed")


@pytest.fixture(scope="module")
def world(release: Release, postgres: Postgres, held_scenes, public: str) -> Iterator[World]:
    """Pods and addresses, once the policies restrict the pods: kube-router needs a moment for a new pod."""
    component = "app.kubernetes.io/component"
    release.cluster.apply(pod_for_tests(release), "--namespace", release.namespace)
    places = {
        "operator": place(release, f"--selector={component}=operator"),
        "api": place(release, f"--selector={component}=api"),
        "worker": place(release, "--selector=mosaics.arbutus.dev/step=plan"),
        "test": place(release, f"--selector={component}=test"),
        "stranger": Place(release.cluster, release.get("pod", "reader")),
    }
    host, port = release.cluster.host, int(held_scenes.address.rpartition(":")[2])
    with ExitStack() as stack:
        stack.enter_context(accepting(public, port))
        stack.enter_context(places["stranger"].listening(port))
        sites = {
            "the Service of the API server": ("10.96.0.1", 443),
            "the API server": (host, 6443),
            "DNS": (host, 53),
            "the database": (host, postgres.port),
            "the scenes": (host, port),
            "public scenes": (public, port),
            "another port": stack.enter_context(accepting(host)),
            "another public port": stack.enter_context(accepting(public)),
            "a private address": (places["stranger"].address, port),
            "the operator": (places["operator"].address, 8080),
            "the API": (places["api"].address, 8080),
        }
        for kind in ("operator", "api", "worker", "test"):
            stack.enter_context(places[kind].listening(OTHER_PORT))
            sites[f"another port of the {kind} pod"] = (places[kind].address, OTHER_PORT)
        other = {"another port": sites["another port"]}
        restricted = [places[kind] for kind in ALLOWED if kind != "stranger"]
        until(lambda: not any(place.reached(other) for place in restricted), "the pods are restricted", 30)
        yield World(release, places, sites)


def pod_for_tests(release: Release) -> Document:
    """A pod with the labels of the one that `helm test` starts, which ends too soon for other tests."""
    policy = release.get("networkpolicy", f"{release.name}-test")
    spec = release.get("pod", "reader")["spec"]
    (container,) = spec["containers"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "test", "labels": policy["spec"]["podSelector"]["matchLabels"]},
        "spec": {
            "containers": [{key: container[key] for key in ("name", "image", "command", "securityContext")}],
            "securityContext": spec["securityContext"],
            "terminationGracePeriodSeconds": 0,
        },
    }


def place(release: Release, selector: str) -> Place:
    """The running pod of a selector."""

    def running() -> list[Document]:
        return [pod for pod in release.get("pods", selector)["items"] if pod["status"]["phase"] == "Running"]

    (pod,) = until(running, f"a pod of {selector} runs")
    return Place(release.cluster, pod)


@pytest.mark.parametrize("kind", ALLOWED)
def test_a_pod_reaches_what_the_policies_allow_and_nothing_else(world: World, kind: str):
    found = world.places[kind]
    own = {name for name, (host, _) in world.sites.items() if host == found.address}
    assert found.reached(world.sites) | own == ALLOWED[kind] | own


def test_the_tests_of_the_release_pass(world: World):
    world.release.cluster.lab_command("dns")
    command = ["helm", "test", world.release.name, "--namespace", world.release.namespace]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_the_policies_each_pod_reaches_everything(world: World):
    world.release.kubectl("delete", "networkpolicies", "--all")
    for kind, found in world.places.items():
        until(lambda found=found: found.reached(world.sites) == set(world.sites), f"the {kind} pod reaches all", 30)
