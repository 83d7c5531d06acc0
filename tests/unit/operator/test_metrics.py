"""Prometheus metrics: their names follow the conventions, and their values follow the statuses."""

import re
from collections import Counter
from pathlib import Path

from mosaic_operator.backoff import RetryLaterError
from mosaic_operator.kube import ApiError
from mosaic_operator.metrics import Metrics
from mosaic_operator.requests import RequestState
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from support.operator.operator_world import PLAN, RESULT, request

GUIDE = Path(__file__).parents[3] / "docs" / "operations" / "monitoring.md"
BASE_UNITS = {"seconds", "bytes", "pixels", "ratio"}
OTHER_UNITS = re.compile(r"milli|micro|minute|hour|mega|giga|kilo|percent")
SUCCEEDED = {
    "phase": "Succeeded",
    "plan": PLAN,
    "result": RESULT,
    "startTime": "2026-01-01T00:00:00Z",
    "completionTime": "2026-01-01T00:00:50Z",
    "progress": {"rangesDone": 3},
}


def exposed(metrics: Metrics):
    return {
        family.name: family for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
    }


def watched() -> Metrics:
    metrics = Metrics()
    requests = [RequestState(request() | {"status": SUCCEEDED})]
    metrics.watch(lambda: requests, Counter({("get", "jobs"): 2}), ["waiting"] * 3, lambda: True)
    metrics.count({"phase": "Finalizing", "progress": {"rangesDone": 1}}, SUCCEEDED)
    return metrics


def test_names_follow_prometheus_conventions():
    families = exposed(watched())
    own = {name: family for name, family in families.items() if name.startswith("mosaic_")}
    assert len(own) >= 11
    for name, family in own.items():
        assert not OTHER_UNITS.search(name), f"{name} is not in a base unit"
        assert family.documentation
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        else:
            assert not name.endswith("_total")
        if family.type == "histogram":
            assert name.rpartition("_")[2] in BASE_UNITS


def test_the_guide_lists_every_metric():
    _, _, operator = GUIDE.read_text().partition("## The operator\n")
    listed = set(re.findall(r"^\| `(mosaic_\w+)", operator.partition("\n## ")[0], re.MULTILINE))
    names = {
        name + ("_total" if family.type == "counter" else "")
        for name, family in exposed(watched()).items()
        if name.startswith("mosaic_")
    }
    assert listed == names


def test_metrics_follow_the_statuses():
    metrics = watched()
    value = metrics.registry.get_sample_value
    assert value("mosaic_ranges_done_total") == 2
    assert value("mosaic_published_pixels_total") == RESULT["pixels"]
    assert value("mosaic_requests_over_total", {"phase": "Succeeded", "reason": ""}) == 1
    assert value("mosaic_request_duration_seconds_sum", {"phase": "Succeeded"}) == 50
    assert value("mosaic_requests", {"phase": "Succeeded"}) == 1
    assert value("mosaic_requests", {"phase": "Running"}) == 0
    assert value("mosaic_workqueue_depth") == 3
    assert value("mosaic_api_calls_total", {"verb": "get", "resource": "jobs"}) == 2
    metrics.count(SUCCEEDED, SUCCEEDED)
    assert value("mosaic_requests_over_total", {"phase": "Succeeded", "reason": ""}) == 1


def test_a_replica_leads_while_it_says_so():
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    assert value("mosaic_leading") == 0
    answers = [True, False]
    metrics.watch(list, Counter(), [], lambda: answers[0])
    assert value("mosaic_leading") == 1
    del answers[0]
    assert value("mosaic_leading") == 0


def test_errors_are_counted_by_kind_from_zero():
    metrics = Metrics()

    def counted() -> dict[str, float]:
        samples = exposed(metrics)["mosaic_reconcile_errors"].samples
        return {sample.labels["kind"]: sample.value for sample in samples}

    assert counted() == {"conflict": 0, "unreachable": 0, "refused": 0, "unexpected": 0}
    for status in (0, 503, 409, 403, 500):
        metrics.failed(ApiError(status, "", ""))
    metrics.failed(RuntimeError())
    metrics.failed(RetryLaterError())
    assert counted() == {"conflict": 1, "unreachable": 2, "refused": 2, "unexpected": 1}
