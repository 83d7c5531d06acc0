"""One request worked off: its process is followed, what it says is written down, and it is ended when it must."""

import logging
import time
from dataclasses import dataclass

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import Phase
from mosaic_crds.names import API_VERSION, KIND
from mosaic_crds.spec import Execution
from sqlalchemy.exc import DBAPIError

from mosaic_api.executor.child import FAULT
from mosaic_api.executor.cleanup import Traces
from mosaic_api.executor.events import Changed, Ended, Inbox, Said
from mosaic_api.executor.job import Job
from mosaic_api.executor.process import RequestProcess
from mosaic_api.executor.queue import ATTEMPTS, BACK_OFF, Claim, LostError, Queue, Wish
from mosaic_api.executor.rows import LEASE_SECONDS
from mosaic_api.executor.status import GOES_ON, Story, done_by_then, suspended_message
from mosaic_api.settings import Settings

BEAT_SECONDS = LEASE_SECONDS / 3
"""After which the lease is renewed when there is nothing to tell."""
TELL_SECONDS = 0.5
"""At least between two words on how it stands."""
RETRY_SECONDS = 2.0
ORDINALS = ("second", "third", "fourth", "last")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Over:
    """It ends here.

    Attributes:
        phase: in which.
        message: for whoever asked.
    """

    phase: Phase
    message: str


@dataclass(frozen=True)
class GivenBack:
    """Somebody goes on with it later.

    Attributes:
        message: for whoever asked.
        phase: in which it is until then.
        wait: seconds before which nobody may.
        counted: whether this was an attempt.
    """

    message: str
    phase: Phase = Phase.PENDING
    wait: float = 0.0
    counted: bool = False


Outcome = Over | GivenBack


def work_off(claim: Claim, queue: Queue, settings: Settings, inbox: Inbox) -> None:
    """Make a mosaic that was claimed, as far as it can be made now."""
    story = Story(claim.status)
    process = RequestProcess(job_of(claim, settings), inbox)
    try:
        try:
            outcome = _follow(process, claim, story, queue, inbox)
        finally:
            code = process.end()
        _log.info("%s/%s: %s (its process ended with %s)", claim.namespace, claim.name, outcome.message, code)
        settle(outcome, claim, story, queue, settings, inbox)
    except LostError as error:
        _log.warning("%s", error)
        if queue.is_unwanted(claim.id):  # and whoever ended it did not see what was written here since
            _delete_traces(claim, settings)
    except DBAPIError:  # what the process said cannot be written down
        _log.exception("%s/%s", claim.namespace, claim.name)
        settle(Over(Phase.FAILED, FAULT), claim, Story(claim.status), queue, settings, inbox)


def job_of(claim: Claim, settings: Settings) -> Job:
    """What the process of a claim is told."""
    metadata = {"name": claim.name, "namespace": claim.namespace, "uid": claim.uid}
    return Job(
        request={"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": claim.spec},
        store=settings.store,
        allowed_hosts=settings.allowed_hosts,
        scenes=[str(folder) for folder in settings.scenes],
        max_pixels=settings.max_pixels,
        private=[str(path) for path in settings.private],
    )


def _follow(process: RequestProcess, claim: Claim, story: Story, queue: Queue, inbox: Inbox) -> Outcome:
    """Listen to the process and to what people want, and keep the lease, until it is clear how this ends.

    Raises:
        LostError: the lease is gone.
        DBAPIError: the database does not take what is to be written.
    """
    told = time.monotonic()
    deadline, due = told + claim.seconds_left, told + BEAT_SECONDS
    while True:
        event = inbox.next(min(due, deadline))
        now = time.monotonic()
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
        if wish is Wish.CANCEL:
            return Over(Phase.CANCELLED, f"cancelled{done_by_then(story.status)}")
        if wish is Wish.SUSPEND:
            return GivenBack(suspended_message(story.status), Phase.SUSPENDED)


def _outcome(claim: Claim, story: Story, *, ended: bool, late: bool, stopped: bool) -> Outcome | None:
    """How this ends, if it does."""
    if story.item is not None:
        return Over(Phase.SUCCEEDED, story.status["message"])
    if story.failure is not None:
        message, final = story.failure
        return Over(Phase.FAILED, message) if final else _again(claim, message)
    if stopped:
        return GivenBack(GOES_ON)
    if late:
        limit = claim.spec.get("execution", {}).get("deadline", Execution().deadline)
        told = f"not done within {limit} (execution.deadline){done_by_then(story.status)}"
        return Over(Phase.FAILED, f"{told}; ask again with a longer one")
    return _again(claim, "its process died, perhaps for want of memory") if ended else None


def _again(claim: Claim, message: str) -> Outcome:
    """What becomes of a request whose attempt failed by no fault of its own."""
    if claim.attempt >= ATTEMPTS:
        return Over(Phase.FAILED, f"{message} (tried {ATTEMPTS} times)")
    wait = BACK_OFF[claim.attempt - 1]
    told = f"{message}; tried again in {wait:.0f} s, for the {ORDINALS[claim.attempt - 1]} of {ATTEMPTS} times"
    return GivenBack(told, wait=wait, counted=True)


def settle(outcome: Outcome, claim: Claim, story: Story, queue: Queue, settings: Settings, inbox: Inbox) -> None:
    """Write down how it ended; while the database is away, wait for it, unless no more work is wanted.

    Raises:
        LostError: the lease is gone.
        DBAPIError: the database does not take what is to be written.
    """
    unwanted = isinstance(outcome, Over) and outcome.phase is not Phase.SUCCEEDED
    left = not (unwanted and _delete_traces(claim, settings))
    while True:
        try:
            if isinstance(outcome, Over):
                queue.end(claim.id, outcome.phase, outcome.message, story.status, story.item, left=left)
            else:
                status = story.status | {"phase": str(outcome.phase), "message": outcome.message}
                queue.give_back(claim.id, status, wait=outcome.wait, counted=outcome.counted)
        except PassingError as error:
            _log.warning("%s; trying again", error)
            if not inbox.stopped:  # else the lease ends by itself, and what is done is found
                inbox.next(time.monotonic() + RETRY_SECONDS)
                continue
        return


def _delete_traces(claim: Claim, settings: Settings) -> bool:
    """Delete what a request has left in the store; whether that could be done. If not, `wishes` does it later."""
    try:
        Traces(claim.namespace, claim.name, claim.uid).delete(settings.store)
    except PassingError as error:
        _log.warning("%s/%s leaves unfinished work: %s", claim.namespace, claim.name, error)
        return False
    return True
