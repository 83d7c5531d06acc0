"""The steps of pods, configured by the environment: `python -m mosaic_worker plan|tiles|finalize|sweep`.

The exit code tells the kind of a failure (mosaic_crds.errors). The termination message, JSON of less than 4096 bytes,
has the result or the error. The operator reads both, and needs no access to the store.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mosaic_crds import worker_pod
from mosaic_crds.errors import MosaicError, RequestError
from mosaic_crds.reports import report_of, sentence_of
from mosaic_crds.request import MosaicRequest
from mosaic_crds.spec import Execution
from mosaic_crds.spelling import counted
from mosaic_crds.validation import load_request
from mosaic_crds.worker_pod import PodInput, Step

from mosaic_worker.finalize.results import Results
from mosaic_worker.memory import keep_freed_memory, memory_limit, share_freed_memory
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, plan_step
from mosaic_worker.plan.stored import kept_plan, read_plan
from mosaic_worker.sources.access.gate import Gate, pod
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.kinds.registry import signer_of
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.sweeping import evict_shared, sweep, sweep_abandoned

LONGEST_MESSAGE = 4000
"""Bytes of JSON: Kubernetes cuts a termination message at 4096."""
CRASHED = 1
"""Exit code after an unexpected error: the operator starts another pod, as after any but 42 and 43."""
MOST_WARNINGS, LONGEST_WARNINGS, LONGEST_NOTES = 15, 3000, 2000
"""Limits of the warnings of a plan, and of the notes on a result, in the message."""
MOST_INLINE = 900
"""Bytes of warnings, and of notes, if the plan and the result share a message."""
MOST_TILES_AGAIN = 8
"""Tiles that the finalize pod recomputes itself; for more, the operator restarts the ranges."""


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run one step. Return its exit code."""
    if len(arguments) != 1 or arguments[0] not in set(Step):
        print(f"usage: python -m mosaic_worker {'|'.join(Step)}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        message = _step(Step(arguments[0]), environment)
        code = 0
    except MosaicError as error:
        message, code = {"message": _shortened(str(error))}, error.exit_code
    except Exception as error:
        print(report_of(error), file=sys.stderr)  # noqa: T201 (logs are kept longer than files of a pod)
        message, code = {"message": _shortened(f"{sentence_of(error)}; the full report is in the pod's log")}, CRASHED
    text = _json(message)
    print(text, file=sys.stderr if code else sys.stdout)
    _leave(text, environment)
    return code


def _step(step: Step, environment: Mapping[str, str]) -> dict[str, Any]:
    keep_freed_memory()
    store = open_store(_required(environment, worker_pod.ENV_STORE))
    given = _input(environment)
    if step is Step.SWEEP:
        swept = len(sweep_abandoned(set(given["living"]), given["before"], store))
        evicted = evict_shared(int(environment.get(worker_pod.ENV_SHARED_BYTES, Limits.shared_bytes)), store)
        return {"swept": swept, "evicted": evicted}
    request = load_request(given)
    uid = request.metadata.uid
    if uid is None:
        raise RequestError("metadata.uid is missing; the operator passes the request as the API server has it")
    gate = pod(environment.get(worker_pod.ENV_ALLOWED_HOSTS, ""))
    results = Results.of_request(request, uid)
    if step is Step.PLAN:
        return _plan(request, results, store, gate, environment)
    published = results.published(store)
    if published is not None:  # by a pod that died before it reported, and maybe before it swept
        sweep(uid, store)
        return _result(results, published, store) if step is Step.FINALIZE else {"message": "published already"}
    found = read_plan(uid, store)
    if found is None:
        raise RequestError(f"the store has no plan of {uid}; run the step plan first")
    if step is Step.TILES:
        index = int(_required(environment, worker_pod.ENV_COMPLETION_INDEX))
        _compute(found, [index], store, gate, signer_of(request.spec, gate, found.scenes_of_sides))
        start, stop = found.ranges[index]
        return {"range": index, "tiles": stop - start}
    return _finalize(found, store, gate, signer_of(request.spec, gate, found.scenes_of_sides))


def _plan(
    request: MosaicRequest, results: Results, store: Store, gate: Gate, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Plan, and publish a small mosaic too. A pod that died after that has left the mosaic, maybe without its plan."""
    limits = Limits(
        pixels=int(environment.get(worker_pod.ENV_MAX_PIXELS, Limits.pixels)),
        scenes=int(environment.get(worker_pod.ENV_MAX_SCENES, Limits.scenes)),
        range_seconds=int(environment.get(worker_pod.ENV_RANGE_SECONDS, Limits.range_seconds)),
        shared_bytes=int(environment.get(worker_pod.ENV_SHARED_BYTES, Limits.shared_bytes)),
    )
    parallelism = int(environment.get(worker_pod.ENV_PARALLELISM, Execution().parallelism))
    inline = int(environment.get(worker_pod.ENV_INLINE_SECONDS, 0))
    published = results.published(store)
    if published is not None and kept_plan(results.uid, store) is None:
        sweep(results.uid, store)
        return {worker_pod.RESULT: _result(results, published, store, MOST_INLINE)}
    plan = plan_step(request, results.uid, store, gate, limits, parallelism)
    from mosaic_worker.tiles.memory import finalize_memory, tiles_memory

    needed = {"tilesMemoryBytes": tiles_memory(plan), "finalizeMemoryBytes": finalize_memory(plan)}
    summary = plan.summary() | needed
    if plan.estimate.core_seconds >= inline or max(needed.values()) > memory_limit():
        return summary | {"warnings": _shortened_list(plan.warnings)}
    signer = signer_of(request.spec, gate, plan.scenes_of_sides)
    result = _result(results, _publish(plan, store, gate, signer), store, MOST_INLINE)
    return summary | {"warnings": _shortened_list(plan.warnings, MOST_INLINE), worker_pod.RESULT: result}


def _publish(plan: Plan, store: Store, gate: Gate, signer: Signer) -> bytes:
    """Compute all tiles that are not done, and publish the mosaic; return its Item."""
    from mosaic_worker.finalize.parts import LostTilesError
    from mosaic_worker.finalize.publishing import finalize_step

    share_freed_memory()
    while True:
        _compute(plan, range(len(plan.ranges)), store, gate, signer)
        try:
            return finalize_step(plan, store)
        except LostTilesError as error:
            print(error, file=sys.stderr)  # noqa: T201


def _compute(plan: Plan, ranges: Iterable[int], store: Store, gate: Gate, signer: Signer) -> None:
    from mosaic_worker.sources.readers.open_sources import OpenSources
    from mosaic_worker.tiles.ranges import compute_range

    with closing(OpenSources(gate, signer)) as sources:
        for index in ranges:
            compute_range(plan, index, store, sources)


def _result(results: Results, published: bytes, store: Store, longest: int = LONGEST_NOTES) -> dict[str, Any]:
    """The message about a published mosaic; its notes have at most `longest` bytes."""
    found = results.summary(published, store)
    return found | {"notes": _shortened_list(found["notes"], longest)} if "notes" in found else found


def _finalize(plan: Plan, store: Store, gate: Gate, signer: Signer) -> dict[str, Any]:
    """Publish, or return how many tiles other pods must recompute; a few are recomputed here.

    Tiles are recomputed if they are lost, or contain a scene that proved unreadable later.
    """
    from mosaic_worker.finalize.parts import LostTilesError
    from mosaic_worker.finalize.publishing import finalize_step

    share_freed_memory()
    while True:
        try:
            return _result(Results.of_plan(plan), finalize_step(plan, store), store)
        except LostTilesError as error:
            print(error, file=sys.stderr)  # noqa: T201
            if error.tiles > MOST_TILES_AGAIN and len(plan.ranges) > 1:
                return {worker_pod.TILES_LEFT: error.tiles}
            _compute(plan, range(len(plan.ranges)), store, gate, signer)


def _input(environment: Mapping[str, str]) -> Any:
    """The input of the pod."""
    content = Path(_required(environment, worker_pod.ENV_INPUT)).read_bytes()
    return PodInput(content).unpack(_required(environment, worker_pod.ENV_INPUT_DIGEST))


def _required(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise RequestError(f"the environment variable {name} is not set; the operator sets it")
    return environment[name]


def _shortened_list(warnings: Sequence[str], longest: int = LONGEST_WARNINGS) -> list[str]:
    """As many warnings as fit into the message; the Item has all."""
    kept: list[str] = []
    for number, warning in enumerate(warnings):
        if len(kept) == MOST_WARNINGS or len(json.dumps([*kept, warning])) > longest:
            return [*kept, f"the Item has {counted(len(warnings) - number, 'more warning')}"]
        kept.append(warning)
    return kept


def _shortened(text: str) -> str:
    """Shorten a message to the limit; quotes and control characters take more bytes in JSON."""
    if len(_json(text).encode(errors="replace")) <= LONGEST_MESSAGE:
        return text
    fits, over = 0, len(text)
    while over - fits > 1:
        middle = (fits + over) // 2
        if len(_json(text[:middle]).encode(errors="replace")) <= LONGEST_MESSAGE:
            fits = middle
        else:
            over = middle
    return text[:fits] + "..."


def _json(message: object) -> str:
    return json.dumps(message, ensure_ascii=False)


def _leave(text: str, environment: Mapping[str, str]) -> None:
    """Write the termination message where Kubernetes reads it, if this is a pod."""
    path = Path(environment.get(worker_pod.ENV_TERMINATION_LOG, "/dev/termination-log"))
    if path.exists():
        path.write_text(text, encoding="utf-8", errors="replace")
