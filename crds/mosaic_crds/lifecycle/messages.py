"""The messages of statuses, conditions and Events."""

from collections.abc import Mapping, Sequence
from typing import Any

Status = Mapping[str, Any]
"""The status of a MosaicRequest, as JSON."""

MOST_JOINED = 700
"""Characters of a message with warnings, which two fields of the status have in full: so a status stays below 10 kB."""
VALID = "The request is valid"
PLANNING = "Reading scene metadata"
COMPUTING = "Computing tiles"
FINALIZING = "Writing the COG"
INTERRUPTED = "The worker was stopped; the request resumes where it was"
WORKER_CRASHED = "The worker crashed, possibly out of memory; request a smaller mosaic or see the log"
INTERNAL_ERROR = "Internal error; see the log"


def waiting(ahead: int, limit: str) -> str:
    """The message of a request that waits behind others for a limit, which is a clause."""
    return f"Waiting behind {'1 other request' if ahead == 1 else f'{ahead} other requests'}: {limit}"


def queued(queue: str) -> str:
    """The message of a request whose Jobs wait in a queue of Kueue."""
    return f"waiting in the queue {queue}"


def waiting_for_cluster(why: str) -> str:
    """The message of a request that could not be applied to the cluster yet."""
    return f"Waiting for the cluster: {why}"


def planned(status: Status) -> str:
    """What the plan contains, and its warnings; empty if its summary is lost."""
    if "plan" not in status:
        return ""
    plan = status["plan"]
    counts = f"scenes: {plan['scenes']}, tiles: {plan['tiles']}, ranges: {plan['ranges']}"
    return _joined(counts, plan.get("warnings", ()))


def progress(status: Status) -> str:
    """How many ranges are done; ranges of one tile are called tiles."""
    found = status["progress"]
    unit = "tiles" if status.get("plan", {}).get("tiles") == found["rangesTotal"] else "ranges"
    return f"{found['rangesDone']} of {found['rangesTotal']} {unit} done"


def recomputing(tiles: object) -> str:
    """The message of a request whose finalizing found tiles that are missing or outdated."""
    return f"Recomputing {tiles} tiles that were lost or contain a scene that proved unreadable"


def published(status: Status) -> str:
    """Where the mosaic is, and the notes on it."""
    result = status["result"]
    notes = [*status.get("plan", {}).get("warnings", ()), *result.get("notes", ())]
    return _joined(f"Published {result.get('cog') or result['item']}", notes)


def cancelled(status: Status, why: str = "") -> str:
    """The message of a cancelled request; `why` is for one that nobody cancelled."""
    return _with_progress("Cancelled", status) + (f": {why}" if why else "")


def suspended(status: Status) -> str:
    """The message of a suspended request."""
    return f"{_with_progress('Suspended', status)}; set execution.suspend to false to resume"


def deadline_exceeded(status: Status, deadline: str) -> str:
    """The message of a request that exceeded its deadline."""
    exceeded = _with_progress(f"Not finished within {deadline} (execution.deadline)", status)
    return f"{exceeded}; raise the deadline and submit the request again"


def retrying(failure: str, when: str = "") -> str:
    """The message of a step that is tried again; `when` is the time of the next attempt, if known."""
    return f"{failure}; retrying {when}".rstrip()


def given_up(failure: str, attempts: int) -> str:
    """The message of a step that is not tried again."""
    return f"{failure} (tried {attempts} times)" if attempts > 1 else failure


def _with_progress(message: str, status: Status) -> str:
    return f"{message} with {progress(status)}" if status.get("progress") else message


def _joined(message: str, more: Sequence[str]) -> str:
    """A message with as many sentences as fit; the message is repeated in conditions."""
    for number, sentence in enumerate(more):
        if len(message) + len(sentence) > MOST_JOINED:
            return f"{message}; and {len(more) - number} more in status.plan.warnings and status.result.notes"
        message = f"{message}; {sentence}"
    return message
