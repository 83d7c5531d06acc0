"""The resources of the pods of a step: what the plan of the request needs, within what the chart allows."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mosaic_crds.worker_pod import Step

from mosaic_operator.settings import WorkerPod

CORE_SECONDS = 10
"""A pod with less work than this requests only a share of a core, because it waits longer to start than it works."""
LEAST_CPU = Decimal("0.1")
FINALIZE_SECONDS = 0.05
"""Core-seconds to finalize a million pixels."""
MI = 2**20
_UNITS = {"": Decimal(1), "m": Decimal("0.001")} | {
    unit: Decimal(base**power)
    for base, units in ((1000, ("k", "M", "G", "T")), (1024, ("Ki", "Mi", "Gi", "Ti")))
    for power, unit in enumerate(units, 1)
}
_QUANTITY = re.compile(f"([0-9]+(?:\\.[0-9]+)?)({'|'.join(_UNITS)})")


def resources_of(step: Step, worker: WorkerPod, status: Mapping[str, Any]) -> dict[str, Any]:
    """The resources of a pod, as in a container.

    Requests follow the plan: less CPU than the chart's if there is little work, and the estimated memory, up to the
    limit. The chart's limits stay, unless an earlier pod ran out of memory.

    Args:
        step: plan, tiles or finalize.
        worker: the resources of the chart.
        status: of the request, with the plan if there is one.
    """
    given = worker.resources.get(step, {})
    requested, limits = dict(given.get("requests", {})), dict(given.get("limits", {}))
    plan = status.get("plan", {})
    if "workerMemory" in status and "memory" in limits:
        limits["memory"] = requested["memory"] = _more(limits["memory"], status["workerMemory"])
    elif memory := plan.get({Step.TILES: "tilesMemoryBytes", Step.FINALIZE: "finalizeMemoryBytes"}.get(step, "")):
        limit = _number(limits.get("memory"))
        requested["memory"] = _mebibytes(memory if limit is None else min(memory, limit))
    if plan and step is not Step.PLAN and (cpu := _number(requested.get("cpu"))) is not None:
        needed = Decimal(_seconds(step, plan)) / CORE_SECONDS
        requested["cpu"] = f"{1000 * min(cpu, max(LEAST_CPU, needed)):.0f}m"
    return {name: value for name, value in (("requests", requested), ("limits", limits)) if value}


def larger_memory(limit: str, largest: str) -> str | None:
    """Twice a memory limit, but at most the largest one; None if that is not more."""
    now, most = _number(limit), _number(largest)
    if now is None or most is None or most <= now:
        return None
    return _mebibytes(min(2 * now, most))


def _seconds(step: Step, plan: Mapping[str, Any]) -> float:
    """The estimated work of a pod, core-seconds."""
    if step is Step.FINALIZE:
        return FINALIZE_SECONDS * float(plan["megapixels"])
    return float(plan["estimatedCoreSeconds"]) / int(plan["ranges"])


def _more(one: str, other: str) -> str:
    return max(one, other, key=lambda quantity: _number(quantity) or 0)


def _mebibytes(number: int | Decimal) -> str:
    return f"{-(-int(number) // MI)}Mi"


def _number(quantity: object) -> Decimal | None:
    """A quantity of Kubernetes as a number; None if it is missing, or in a form that the chart does not use."""
    found = _QUANTITY.fullmatch(str(quantity))
    return Decimal(found[1]) * _UNITS[found[2]] if found else None
