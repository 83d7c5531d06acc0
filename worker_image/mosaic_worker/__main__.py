"""What pods run: `python -m mosaic_worker plan|tiles|finalize`, told by the environment what to do.

The exit code says whose fault a failure was (mosaic_crds.errors), and the termination message, JSON of less than 4096
bytes, says what came out or what went wrong: the operator reads both and needs no store.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mosaic_crds import names
from mosaic_crds.errors import MosaicError, RequestError
from mosaic_crds.validation import parse_request

from mosaic_worker.planning import Limits, plan_step, read_plan
from mosaic_worker.sources.gate import pod
from mosaic_worker.store import open_store

STEPS = ("plan", "tiles", "finalize")
LONGEST_MESSAGE = 4000
"""Bytes: Kubernetes cuts a termination message at 4096."""


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Do one step; give its exit code."""
    if len(arguments) != 1 or arguments[0] not in STEPS:
        print(f"usage: python -m mosaic_worker {'|'.join(STEPS)}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        message = _step(arguments[0], environment)
        code = 0
    except MosaicError as error:
        message, code = {"message": _shortened(str(error))}, error.exit_code
    text = json.dumps(message, ensure_ascii=False)
    print(text, file=sys.stderr if code else sys.stdout)
    _leave(text, environment)
    return code


def _step(step: str, environment: Mapping[str, str]) -> dict[str, Any]:
    request = parse_request(_required(environment, names.ENV_REQUEST), names.ENV_REQUEST)
    uid = request.metadata.uid
    if uid is None:
        raise RequestError("metadata.uid is not there; the operator gives the request as the API server has it")
    store = open_store(_required(environment, names.ENV_STORE))
    gate = pod(environment.get(names.ENV_ALLOWED_HOSTS, ""))
    if step == "plan":
        limits = Limits(pixels=int(environment.get(names.ENV_MAX_PIXELS, Limits.pixels)))
        return plan_step(request, uid, store, gate, limits, request.spec.execution.parallelism).summary()
    plan = read_plan(uid, store)
    if plan is None:
        raise RequestError(f"the store has no plan of {uid}; the plan step comes first")
    if step == "tiles":
        from mosaic_worker.sources.reading import OpenSources
        from mosaic_worker.tiles import compute_range

        index = int(_required(environment, names.ENV_COMPLETION_INDEX))
        compute_range(plan, index, store, OpenSources(gate))
        start, stop = plan.ranges[index]
        return {"range": index, "tiles": stop - start}
    from mosaic_worker.finalize import finalize_step, result_of

    return result_of(plan, json.loads(finalize_step(plan, store)), store)


def _required(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise RequestError(f"the environment variable {name} is not set; the operator sets it")
    return environment[name]


def _shortened(text: str) -> str:
    encoded = text.encode()
    return text if len(encoded) <= LONGEST_MESSAGE else encoded[:LONGEST_MESSAGE].decode(errors="ignore") + "..."


def _leave(text: str, environment: Mapping[str, str]) -> None:
    """Write the termination message where Kubernetes reads it, if this is a pod."""
    path = Path(environment.get(names.ENV_TERMINATION_LOG, "/dev/termination-log"))
    if path.exists():
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
