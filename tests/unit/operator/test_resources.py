"""The resources of pods follow the plan of their request, within those of the chart."""

import pytest
from mosaic_crds.worker_pod import Step
from mosaic_operator.resources import larger_memory, resources_of
from mosaic_operator.settings import WorkerPod

from support.operator.operator_world import PLAN

CHART = {
    "plan": {"requests": {"cpu": "200m", "memory": "384Mi"}, "limits": {"memory": "1Gi"}},
    "tiles": {"requests": {"cpu": "1", "memory": "700Mi"}, "limits": {"memory": "1Gi", "ephemeral-storage": "3Gi"}},
    "finalize": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
}
MI = 2**20


def found(step: Step, memory: str = "", **plan: float) -> dict:
    status = {"plan": PLAN | plan} | ({"workerMemory": memory} if memory else {})
    return resources_of(step, WorkerPod(image="worker:1", resources=CHART), status)


def test_pods_of_a_request_without_a_plan_have_the_resources_of_the_chart():
    assert resources_of(Step.PLAN, WorkerPod(image="worker:1", resources=CHART), {}) == CHART["plan"]
    assert resources_of(Step.PLAN, WorkerPod(image="worker:1"), {}) == {}


@pytest.mark.parametrize(
    ("seconds", "ranges", "cpu"), [(1, 1, "100m"), (12, 3, "400m"), (300, 3, "1000m"), (0, 1, "100m")]
)
def test_a_pod_with_little_work_requests_a_share_of_a_core(seconds, ranges, cpu):
    resources = found(Step.TILES, estimatedCoreSeconds=seconds, ranges=ranges)
    assert resources["requests"]["cpu"] == cpu
    assert resources["limits"] == CHART["tiles"]["limits"]


@pytest.mark.parametrize(("needed", "requested"), [(300 * MI, "300Mi"), (900 * MI + 1, "901Mi"), (3000 * MI, "1024Mi")])
def test_a_pod_requests_the_estimated_memory_up_to_its_limit(needed, requested):
    assert found(Step.TILES, tilesMemoryBytes=needed)["requests"]["memory"] == requested


def test_a_plan_of_an_earlier_worker_has_no_estimate_of_memory():
    assert found(Step.FINALIZE)["requests"]["memory"] == "1Gi"


def test_after_a_pod_ran_out_of_memory_pods_have_the_larger_limit():
    resources = found(Step.TILES, "2048Mi", tilesMemoryBytes=300 * MI)
    assert resources["limits"] == {"memory": "2048Mi", "ephemeral-storage": "3Gi"}
    assert resources["requests"]["memory"] == "2048Mi"
    assert found(Step.FINALIZE, "1536Mi")["limits"]["memory"] == "2Gi"


@pytest.mark.parametrize(
    ("limit", "largest", "next_limit"),
    [
        ("1Gi", "4Gi", "2048Mi"),
        ("1Gi", "1536Mi", "1536Mi"),
        ("4Gi", "4Gi", None),
        ("1Gi", "0", None),
        ("", "4Gi", None),
    ],
)
def test_the_next_memory_limit_is_twice_the_last_one_up_to_the_largest(limit, largest, next_limit):
    assert larger_memory(limit, largest) == next_limit
