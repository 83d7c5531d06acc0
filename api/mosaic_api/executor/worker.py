"""Runs a claimed request: follows its process, writes the status, and ends the process if necessary."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import CRASHED, REFUSED, UNPUBLISHED, Phase, Trouble, messages
from sqlalchemy.exc import DBAPIError

from mosaic_api.database import Request
from mosaic_api.executor import cleanup
from mosaic_api.executor.events import Changed, Ended, Inbox, Message
from mosaic_api.executor.fork_servers import ForkServers
from mosaic_api.executor.job import Job
from mosaic_api.executor.process import RequestProcess
from mosaic_api.executor.queue import ATTEMPTS, BACK_OFF, Interruption, LostError, Queue
from mosaic_api.executor.rows import LEASE_SECONDS
from mosaic_api.executor.status import ExecutorStatus
from mosaic_api.settings import Settings

BEAT_SECONDS = LEASE_SECONDS / 3
"""Interval in which the lease is renewed if nothing changes."""
ASK_SECONDS = 0.2
"""Time from a change of the row to the question whether the user interrupts the request; most changes are reports."""
REPORT_SECONDS = 0.5
"""Minimum interval of reports within a phase."""
RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: seconds before another one, and whether it failed; the status has the phase."""

    wait: float = 0.0
    counted: bool = False


def run_claim(
    claim: Request,
    queue: Queue,
    settings: Settings,
    inbox: Inbox,
    servers: ForkServers,
    on_planned: Callable[[int], None],
) -> None:
    """Run a claimed request until it ends or is interrupted; `on_planned` gets the number of its tiles."""
    status = ExecutorStatus(claim.status, datetime.now(UTC))
    process = RequestProcess(job_of(claim, settings), inbox, servers)
    try:
        try:
            outcome = _follow(process, claim, status, queue, inbox, on_planned)
        finally:
            code = process.end()
        _log.info("%s/%s: %s (its process ended with %s)", claim.namespace, claim.name, status.status["message"], code)
        record_outcome(outcome, claim, status, queue, settings, inbox)
    except LostError as error:
        _log.warning("%s", error)
        if queue.is_unwanted(claim.id):  # what was written since it ended would stay
            _delete_traces(claim, settings)
    except DBAPIError:  # the database refuses a message of the process
        _log.exception("%s/%s", claim.namespace, claim.name)
        status = ExecutorStatus(claim.status, datetime.now(UTC))
        status.fail(Trouble(CRASHED, messages.INTERNAL_ERROR))
        record_outcome(Outcome(), claim, status, queue, settings, inbox)


def job_of(claim: Request, settings: Settings) -> Job:
    """The input of a claim's process."""
    return Job(
        request=claim.manifest(uid=claim.uid),
        store=settings.store,
        allowed_hosts=settings.allowed_hosts,
        scenes=[str(folder) for folder in settings.scenes],
        max_pixels=settings.max_pixels,
        private=[str(path) for path in settings.private],
    )


def _follow(
    process: RequestProcess,
    claim: Request,
    status: ExecutorStatus,
    queue: Queue,
    inbox: Inbox,
    on_planned: Callable[[int], None],
) -> Outcome:
    """Handle events and keep the lease until the attempt ends.

    Raises:
        LostError: the lease has ended.
        DBAPIError: the database refuses the status.
    """
    reported = time.monotonic()
    deadline, due = reported + status.seconds_left(claim.deadline), reported + BEAT_SECONDS
    ask = math.inf  # when to ask whether the user interrupts it
    while True:
        event = inbox.next(min(due, deadline, ask))
        now, status.now = time.monotonic(), datetime.now(UTC)
        if isinstance(event, Message) and event.process is process:
            before = status.status["phase"]
            status.receive(event.content, now)
            if "planned" in event.content:
                on_planned(event.content["planned"]["tiles"])
            due = min(due, reported + REPORT_SECONDS if status.status["phase"] == before else now)
        elif isinstance(event, Changed) and event.concerns(claim.id):
            ask = min(ask, now + ASK_SECONDS)
        ended = isinstance(event, Ended) and event.process is process
        outcome = _outcome(claim, status, ended=ended, late=now >= deadline, stopped=inbox.stopped)
        if outcome is not None:
            return outcome
        interruption = None
        try:
            if now >= due:
                interruption = queue.report(claim.id, status.status)
                reported, due, ask = now, now + BEAT_SECONDS, math.inf
            elif now >= ask:
                interruption, ask = queue.interruption(claim.id), math.inf
        except PassingError as error:  # the process continues
            _log.warning("%s; trying again", error)
            due, ask = now + RETRY_SECONDS, math.inf  # reports return interruptions too
        if interruption is not None:
            status.cancel() if interruption is Interruption.CANCEL else status.suspend()
            return Outcome()


def _outcome(claim: Request, status: ExecutorStatus, *, ended: bool, late: bool, stopped: bool) -> Outcome | None:
    """How the attempt ends; None if it continues."""
    if status.item is not None:
        return Outcome()
    if status.failure is not None:
        return _failed(claim, status, status.failure)
    if stopped:
        status.stop_clock()
        status.wait(messages.INTERRUPTED)
        return Outcome()
    if late:
        status.exceed_deadline(claim.deadline)
        return Outcome()
    return _failed(claim, status, Trouble(CRASHED, messages.WORKER_CRASHED)) if ended else None


def _failed(claim: Request, status: ExecutorStatus, trouble: Trouble) -> Outcome:
    """The outcome of a failed attempt: the request fails, or another attempt follows."""
    if trouble.reason == REFUSED:
        status.fail(trouble)
        return Outcome()
    if claim.attempts >= ATTEMPTS:
        status.fail(Trouble(trouble.reason, messages.given_up(trouble.message, ATTEMPTS)))
        return Outcome()
    wait = BACK_OFF[claim.attempts - 1]
    status.retry(trouble.message, f"in {wait:.0f} s (attempt {claim.attempts + 1} of {ATTEMPTS})")
    return Outcome(wait, counted=True)


def record_outcome(
    outcome: Outcome, claim: Request, status: ExecutorStatus, queue: Queue, settings: Settings, inbox: Inbox
) -> None:
    """Write the outcome; wait for the database if necessary, unless the executor stops.

    Raises:
        LostError: the lease has ended.
        DBAPIError: the database refuses the status.
    """
    phase = Phase(status.status["phase"])
    left = not (phase in UNPUBLISHED and _delete_traces(claim, settings))
    while True:
        try:
            if phase.terminal:
                queue.end(claim.id, status.status, status.item, left=left)
            else:
                queue.release(claim.id, status.status, wait=outcome.wait, counted=outcome.counted)
        except PassingError as error:
            _log.warning("%s; trying again", error)
            if not inbox.stopped:  # otherwise the lease ends, and another executor finds what is done
                inbox.next(time.monotonic() + RETRY_SECONDS)
                continue
        return


def _delete_traces(claim: Request, settings: Settings) -> bool:
    """Delete what a request left in the store. If that fails, return False: `idle_requests` does it later."""
    try:
        cleanup.delete_files(claim, settings.store)
    except PassingError as error:
        _log.warning("%s/%s leaves unfinished work: %s", claim.namespace, claim.name, error)
        return False
    return True
