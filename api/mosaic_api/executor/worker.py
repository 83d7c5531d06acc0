"""One request worked off: its process is followed, what it says is written down, and it is ended when it must."""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import CRASHED, REFUSED, UNPUBLISHED, Phase, Trouble, messages
from mosaic_crds.request import request_manifest
from sqlalchemy.exc import DBAPIError

from mosaic_api.executor.cleanup import RequestFiles
from mosaic_api.executor.events import Changed, Ended, Inbox, Said
from mosaic_api.executor.job import Job
from mosaic_api.executor.process import RequestProcess
from mosaic_api.executor.queue import ATTEMPTS, BACK_OFF, Claim, LostError, Queue, Wish
from mosaic_api.executor.rows import LEASE_SECONDS
from mosaic_api.executor.status import ExecutorStatus
from mosaic_api.settings import Settings

BEAT_SECONDS = LEASE_SECONDS / 3
"""After which the lease is renewed when there is nothing to tell."""
TELL_SECONDS = 0.5
"""At least between two words on how it stands."""
RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How the work on a request ended; the status says in which phase.

    Attributes:
        wait: seconds before which nobody may resume it.
        counted: whether this was an attempt.
    """

    wait: float = 0.0
    counted: bool = False


def work_off(claim: Claim, queue: Queue, settings: Settings, inbox: Inbox) -> None:
    """Make a mosaic that was claimed, as far as it can be made now."""
    story = ExecutorStatus(claim.status, datetime.now(UTC))
    process = RequestProcess(job_of(claim, settings), inbox)
    try:
        try:
            outcome = _follow(process, claim, story, queue, inbox)
        finally:
            code = process.end()
        _log.info("%s/%s: %s (its process ended with %s)", claim.namespace, claim.name, story.status["message"], code)
        settle(outcome, claim, story, queue, settings, inbox)
    except LostError as error:
        _log.warning("%s", error)
        if queue.is_unwanted(claim.id):  # and whoever ended it did not see what was written here since
            _delete_traces(claim, settings)
    except DBAPIError:  # what the process said cannot be written down
        _log.exception("%s/%s", claim.namespace, claim.name)
        story = ExecutorStatus(claim.status, datetime.now(UTC))
        story.fail(Trouble(CRASHED, messages.INTERNAL_ERROR))
        settle(Outcome(), claim, story, queue, settings, inbox)


def job_of(claim: Claim, settings: Settings) -> Job:
    """What the process of a claim is told."""
    return Job(
        request=request_manifest(
            claim.name, claim.spec, api_version=claim.api_version, namespace=claim.namespace, uid=claim.uid
        ),
        store=settings.store,
        allowed_hosts=settings.allowed_hosts,
        scenes=[str(folder) for folder in settings.scenes],
        max_pixels=settings.max_pixels,
        private=[str(path) for path in settings.private],
    )


def _follow(process: RequestProcess, claim: Claim, story: ExecutorStatus, queue: Queue, inbox: Inbox) -> Outcome:
    """Listen to the process and to what people want, and keep the lease, until it is clear how this ends.

    Raises:
        LostError: the lease is gone.
        DBAPIError: the database does not take what is to be written.
    """
    told = time.monotonic()
    deadline, due = told + claim.seconds_left, told + BEAT_SECONDS
    while True:
        event = inbox.next(min(due, deadline))
        now, story.now = time.monotonic(), datetime.now(UTC)
        if isinstance(event, Said) and event.process is process:
            before = story.status["phase"]
            story.hear(event.word, now)
            due = min(due, told + TELL_SECONDS if story.status["phase"] == before else now)
        ended = isinstance(event, Ended) and event.process is process
        outcome = _outcome(claim, story, ended=ended, late=now >= deadline, stopped=inbox.stopped)
        if outcome is not None:
            return outcome
        wish = None
        try:
            if now >= due:
                wish = queue.tell(claim.id, story.status)
                told, due = now, now + BEAT_SECONDS
            elif isinstance(event, Changed) and event.row in {None, str(claim.id)}:
                wish = queue.wish(claim.id)
        except PassingError as error:  # the work goes on
            _log.warning("%s; trying again", error)
            due = now + RETRY_SECONDS
        if wish is not None:
            story.cancel() if wish is Wish.CANCEL else story.suspend()
            return Outcome()


def _outcome(claim: Claim, story: ExecutorStatus, *, ended: bool, late: bool, stopped: bool) -> Outcome | None:
    """How this ends, if it does."""
    if story.item is not None:
        return Outcome()
    if story.failure is not None:
        return _again(claim, story, story.failure)
    if stopped:
        story.stop_clock()
        story.wait(messages.INTERRUPTED)
        return Outcome()
    if late:
        story.exceed_deadline(claim.deadline)
        return Outcome()
    return _again(claim, story, Trouble(CRASHED, messages.WORKER_CRASHED)) if ended else None


def _again(claim: Claim, story: ExecutorStatus, trouble: Trouble) -> Outcome:
    """What becomes of a request whose attempt failed."""
    if trouble.reason == REFUSED:
        story.fail(trouble)
        return Outcome()
    if claim.attempt >= ATTEMPTS:
        story.fail(Trouble(trouble.reason, messages.given_up(trouble.message, ATTEMPTS)))
        return Outcome()
    wait = BACK_OFF[claim.attempt - 1]
    story.retry(trouble.message, f"in {wait:.0f} s (attempt {claim.attempt + 1} of {ATTEMPTS})")
    return Outcome(wait, counted=True)


def settle(
    outcome: Outcome, claim: Claim, story: ExecutorStatus, queue: Queue, settings: Settings, inbox: Inbox
) -> None:
    """Write down how it ended; while the database is away, wait for it, unless no more work is wanted.

    Raises:
        LostError: the lease is gone.
        DBAPIError: the database does not take what is to be written.
    """
    phase = Phase(story.status["phase"])
    left = not (phase in UNPUBLISHED and _delete_traces(claim, settings))
    while True:
        try:
            if phase.terminal:
                queue.end(claim.id, story.status, story.item, left=left)
            else:
                queue.give_back(claim.id, story.status, wait=outcome.wait, counted=outcome.counted)
        except PassingError as error:
            _log.warning("%s; trying again", error)
            if not inbox.stopped:  # else the lease ends by itself, and what is done is found
                inbox.next(time.monotonic() + RETRY_SECONDS)
                continue
        return


def _delete_traces(claim: Claim, settings: Settings) -> bool:
    """Delete what a request has left in the store; whether that could be done. If not, `wishes` does it later."""
    try:
        RequestFiles(claim.namespace, claim.name, claim.uid).delete(settings.store)
    except PassingError as error:
        _log.warning("%s/%s leaves unfinished work: %s", claim.namespace, claim.name, error)
        return False
    return True
