"""Messages that explain to a user why a mosaic fails or does not start."""

import pytest
from mosaic_crds.worker_pod import Step

from support.operator.operator_world import PLAN, World, ended, pod_of


@pytest.fixture
def world() -> World:
    found = World()
    found.step()
    found.complete(Step.PLAN, PLAN)
    found.step()
    return found


def waiting(reason: str, message: str = "") -> dict:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "worker", "state": state}]}


@pytest.mark.parametrize(
    ("status", "reason", "sentence"),
    [
        (ended(42, {"message": "B03.jp2 has no band 7"}), "Refused", "B03.jp2 has no band 7"),
        (ended(43, {"message": "the store is full"}), "SourceOrStore", "the store is full"),
        (
            ended(137, reason="OOMKilled"),
            "OutOfMemory",
            "range 2 ran out of memory (512Mi); raise worker.resources.tiles.limits.memory of the chart",
        ),
        (
            {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active too long"},
            "Stuck",
            "range 2 timed out; raise execution.rangeDeadline, or check whether the sources are slow",
        ),
        (ended(137), "Killed", "range 2 was killed from outside"),
        (
            ended(1, "Traceback (most recent call last):\n  File\nKeyError: 'x'\n"),
            "Crashed",
            "range 2 ended with exit code 1: KeyError: 'x'",
        ),
        (
            ended(1, {"message": "unexpected error KeyError: 'x'; the full report is in the pod's log"}),
            "Crashed",
            "range 2 ended with exit code 1: unexpected error KeyError: 'x'; the full report is in the pod's log",
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on ephemeral-storage."},
            "Evicted",
            "range 2 was evicted from its node: The node was low on ephemeral-storage",
        ),
    ],
)
def test_a_failed_range_reports_the_reason(world, status, reason, sentence):
    world.fail(Step.TILES, pod_of(world.jobs[Step.TILES], 2, **status), failed="2")
    world.step()
    assert (world.status["phase"], world.status["message"]) == ("Failed", sentence)
    assert world.condition("TilesReady")["reason"] == reason


def test_the_message_comes_from_the_failed_range_not_from_those_stopped_with_it(world):
    job = world.jobs[Step.TILES]
    world.fail(
        Step.TILES,
        pod_of(job, 1, **ended(42, {"message": "the scene is damaged"})),
        pod_of(job, 0, **ended(143, at="2026-01-01T00:01:00Z")),
        failed="1",
    )
    world.step()
    assert world.status["message"] == "the scene is damaged"


def test_the_message_has_the_number_of_attempts(world):
    job = world.jobs[Step.TILES]
    passing = {"message": "the server answered 503"}
    world.fail(Step.TILES, *[pod_of(job, 0, **ended(43, passing)) for _ in range(4)], failed="0")
    world.step()
    assert world.status["message"] == "the server answered 503 (tried 4 times)"


def test_a_failed_job_without_pods_has_a_message(world):
    world.fail(Step.TILES)
    world.step()
    assert world.status["message"].startswith("the Job ndsi-tiles failed (PodFailurePolicy), and no pod is left")


def test_a_pod_of_a_lost_node_is_not_blamed(world):
    job = world.jobs[Step.TILES]
    lost = ended(137) | {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    world.fail(Step.TILES, pod_of(job, 0, **lost), pod_of(job, 0, **ended(43, {"message": "busy"})), failed="0")
    world.step()
    assert world.status["message"] == "busy"


@pytest.mark.parametrize(
    ("status", "refusals", "reason", "sentence"),
    [
        (
            {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient memory.",
                    }
                ],
            },
            [],
            "Unschedulable",
            "no node has room for a tiles pod: 0/1 nodes are available: 1 Insufficient memory",
        ),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "worker:1"'),
            [],
            "ImagePull",
            'image worker:1 cannot be pulled: Back-off pulling image "worker:1"; it planned this request: make it',
        ),
        (waiting("CreateContainerConfigError", 'secret "store" not found'), [], "PodConfiguration", "secret"),
        (
            waiting("ContainerCreating"),
            ['MountVolume.SetUp failed for volume "store": claim not found'],
            "PodStart",
            "a tiles pod cannot start: MountVolume.SetUp failed",
        ),
        (ended(43, {"message": "the server is busy"}), [], "Retrying", "the server is busy; retrying"),
    ],
)
def test_the_status_explains_why_pods_do_not_start(world, status, refusals, reason, sentence):
    world.pods.append(pod_of(world.jobs[Step.TILES], 0, **status))
    world.refusals = refusals
    world.step()
    assert world.status["phase"] == "Running"
    assert world.condition("Degraded")["reason"] == reason
    assert sentence in world.status["message"]


@pytest.mark.parametrize(
    ("refusal", "reason", "sentence"),
    [
        ("pods is forbidden: exceeded quota: small", "Quota", "quota allows no more pods of ndsi-tiles"),
        ('pods is forbidden: violates PodSecurity "x"', "PodSecurity", "policy refuses the pods of ndsi-tiles"),
        ("serviceaccount workers not found", "PodsRefused", "Kubernetes creates no pods of ndsi-tiles"),
    ],
)
def test_pods_that_are_never_created_are_explained_by_the_jobs_events(world, refusal, reason, sentence):
    world.refusals = [refusal]
    world.step()
    assert world.condition("Degraded")["reason"] == reason
    assert sentence in world.status["message"]


def test_a_range_that_succeeds_after_failures_is_not_reported(world):
    job = world.jobs[Step.TILES]
    world.pods += [pod_of(job, 0, **ended(43, {"message": "busy"})), pod_of(job, 0, **ended(0, {"range": 0}))]
    world.step()
    assert world.condition("Degraded")["status"] == "False"
