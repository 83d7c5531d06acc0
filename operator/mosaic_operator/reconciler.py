"""Observe a request, decide, act, then write its status once; again whenever something changed, until it is over."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic

from mosaic_crds.names import LABEL_REQUEST, Condition, Phase, Step

from mosaic_operator.admission import Owner, owner_of, turns
from mosaic_operator.decide import decide
from mosaic_operator.draft import Decision, merge_patch
from mosaic_operator.failures import needs_refusals
from mosaic_operator.kube import ApiError, Cluster
from mosaic_operator.manifests import Manifest
from mosaic_operator.metrics import Metrics
from mosaic_operator.observed import AT_WORK, JobState, Observed, PodState, RequestState, Turn
from mosaic_operator.queueing import WorkQueue
from mosaic_operator.settings import Settings
from mosaic_operator.steps import LOOK_SECONDS

Key = tuple[str, str]
"""Namespace and name of a request."""

COSMETIC_SECONDS = 0.4
"""Between writes that tell no more than progress, over all requests."""
PENDING_SECONDS = 30
"""How often those who wait are told their place."""
REFUSED_SECONDS = 30
"""After so long a Job that Kubernetes refused is tried again."""
LONGEST_WAIT = 60
"""Seconds between tries when the API server fails."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OwnedJob:
    """A Job with the request's label.

    Attributes:
        owner: the uid of the request that it was made for.
        step: which step it does.
        leaving: whether it is being deleted.
        state: the Job.
    """

    owner: str
    step: Step
    leaving: bool
    state: JobState


Requests = Mapping[Key, Sequence[RequestState]]
"""What the cache holds under each key: one request."""
Jobs = Mapping[Key, Sequence[OwnedJob]]


class NotYetError(Exception):
    """Something has to happen first; the same is tried after a moment."""


class Reconciler:
    """Brings requests on.

    Attributes:
        queue: of requests that want attention.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        metrics: Metrics,
        requests: Requests,
        jobs: Jobs,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take the caches of requests and Jobs, which somebody else keeps current."""
        self.queue: WorkQueue[Key] = WorkQueue()
        self._cluster, self._settings, self._metrics, self._now = cluster, settings, metrics, now
        self._requests, self._jobs = requests, jobs
        self._written: dict[str, RequestState] = {}
        self._begun: set[str] = set()
        self._served: dict[Owner, datetime] = {}
        self._looked: dict[str, tuple[float, int]] = {}
        self._failures: Counter[Key] = Counter()
        self._cosmetic_from = 0.0

    def all_requests(self) -> list[RequestState]:
        """Every request as it was last seen or written."""
        return [self._newest(found[0]) for found in list(self._requests.values()) if found]

    async def work(self) -> None:
        """Reconcile what the queue gives, for ever."""
        await self.queue.work(self.reconcile)

    async def reconcile(self, key: Key) -> None:
        """Reconcile a request; what fails is tried again, later and later."""
        try:
            with self._metrics.reconciling.time():
                await self._reconcile(key)
        except NotYetError as wanted:
            log.debug("%s", wanted, extra={"request": "/".join(key)})
            self.queue.add_later(key, 0.5)
        except ApiError as error:
            self._failures[key] += 1
            conflict = error.status == 409 and self._failures[key] < 5
            wait = 0.2 if conflict else min(LONGEST_WAIT, 0.5 * 2 ** self._failures[key])
            level = logging.DEBUG if conflict else logging.WARNING
            log.log(level, "%s; again in %.1f s", error, wait, extra={"request": "/".join(key)})
            self.queue.add_later(key, wait)
        except Exception:
            self._failures[key] += 1
            log.exception("reconciling failed", extra={"request": "/".join(key)})
            self.queue.add_later(key, min(LONGEST_WAIT, 2 ** self._failures[key]))
        else:
            self._failures.pop(key, None)

    async def _reconcile(self, key: Key) -> None:
        found = self._requests.get(key)
        if not found:
            self._let_others_in()
            return
        request = self._newest(found[0])
        turn = self._turn(request)
        seen = await self._observe(key, request, turn)
        decision = decide(seen, self._settings, self._now())
        await self._act(decision)
        await self._tell(key, decision)
        if request.uid in self._begun and decision.status.get("phase") not in AT_WORK:
            self._begun.discard(request.uid)
            self._let_others_in()
        if decision.status.get("phase") == Phase.PENDING:
            self.queue.add_later(key, PENDING_SECONDS)
        elif decision.again_in is not None:
            self.queue.add_later(key, decision.again_in)

    def _newest(self, cached: RequestState) -> RequestState:
        """What was written, until the cache has it too."""
        written = self._written.get(cached.uid)
        if written is None:
            return cached
        if version(cached) >= version(written):
            del self._written[cached.uid]
            return cached
        return written

    def _turn(self, request: RequestState) -> Turn:
        found = turns(self.all_requests(), self._begun, self._settings, self._served)
        turn = found.get(request.uid, Turn(admitted=False))
        if turn.admitted and request.uid not in self._begun:
            self._begun.add(request.uid)
            self._served[owner_of(request, self._settings)] = self._now()
        return turn

    def _let_others_in(self) -> None:
        """Wake those whose turn has come."""
        requests = self.all_requests()
        there = {request.uid for request in requests}
        self._begun &= there
        for memory in (self._written, self._looked):
            for uid in memory.keys() - there:
                del memory[uid]
        found = turns(requests, self._begun, self._settings, self._served)
        for request in requests:
            turn = found.get(request.uid)
            if turn is not None and turn.admitted and request.phase in {None, Phase.PENDING, Phase.SUSPENDED}:
                self.queue.add((request.namespace, request.name))

    async def _observe(self, key: Key, request: RequestState, turn: Turn) -> Observed:
        jobs = {job.step: job.state for job in self._jobs.get(key, ()) if job.owner == request.uid and not job.leaving}
        seen = Observed(request, jobs, None, turn=turn)
        if request.over or request.deleting or not self._must_look(request, jobs):
            return seen
        of_request = f"{LABEL_REQUEST}={request.name}"
        pods = [PodState.of(pod) for pod in await self._cluster.list_pods(request.namespace, of_request)]
        self._looked[request.uid] = (monotonic(), sum(job.failed for job in jobs.values()))
        seen = replace(seen, pods=pods)
        at_work = [(step, job) for step, job in jobs.items() if job.outcome is None]
        refusals: list[str] = []
        for step, job in at_work:
            since = (self._now() - job.started).total_seconds() if job.started else 0
            own = seen.pods_of(step)
            if needs_refusals(job, own, since):
                waiting = [pod.uid for pod in own if not pod.over]
                about, reason = (waiting[0], "") if waiting else (job.uid, "FailedCreate")
                refusals += await self._cluster.warnings_about(request.namespace, about, reason=reason)
        return replace(seen, refusals=refusals)

    def _must_look(self, request: RequestState, jobs: Mapping[Step, JobState]) -> bool:
        """Whether pods are needed: an end to be read, a new failure, or a look from time to time."""
        if any(
            job.outcome == "Failed"
            or (job.outcome == "Complete" and step is Step.PLAN and "plan" not in request.status)
            or (job.outcome == "Complete" and step is Step.FINALIZE)
            for step, job in jobs.items()
        ):
            return True
        when, failed = self._looked.get(request.uid, (monotonic(), 0))
        self._looked.setdefault(request.uid, (when, failed))
        return bool(jobs) and (monotonic() - when >= LOOK_SECONDS or failed != sum(job.failed for job in jobs.values()))

    async def _act(self, decision: Decision) -> None:
        namespace = decision.request.namespace
        for name, patch in decision.change.items():
            await self._unless_gone(self._cluster.patch_job(namespace, name, patch))
        for name in decision.delete:
            await self._unless_gone(self._cluster.delete_job(namespace, name))
        for name in decision.give_up:
            log.warning("giving up pod %s on a node that does not answer", name, extra=_extra(decision.request))
            await self._unless_gone(self._cluster.give_up_pod(namespace, name))
        if decision.delete_secret is not None:
            await self._unless_gone(self._cluster.delete_secret(namespace, decision.delete_secret))
        for manifest in decision.create:
            if not await self._create(decision, manifest):
                break

    async def _create(self, decision: Decision, manifest: Manifest) -> bool:
        """Create a Secret or a Job; give whether Kubernetes accepts it."""
        namespace, kind, name = decision.request.namespace, manifest["kind"], manifest["metadata"]["name"]
        try:
            if kind == "Secret":
                await self._cluster.create_secret(manifest)
            else:
                await self._cluster.create_job(manifest)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                there = await self._cluster.get_job(namespace, name)
                owners = [owner["uid"] for owner in there["metadata"].get("ownerReferences", ())]
                if decision.request.uid not in owners or "deletionTimestamp" in there["metadata"]:
                    raise NotYetError(f"another Job {name} has to go first") from None
            elif error.status in {403, 422}:
                message = f"Kubernetes refuses the {kind} {name}: {error}"
                decision.say(Condition.DEGRADED, True, f"{kind}Refused", message)
                decision.enter(Phase(decision.status["phase"]), message)
                decision.again_in = REFUSED_SECONDS
                return False
            else:
                raise
        return True

    async def _tell(self, key: Key, decision: Decision) -> None:
        if not decision.changed:
            return
        if decision.cosmetic:
            wait = self._cosmetic_from - monotonic()
            if wait > 0:
                self.queue.add_later(key, wait)
                return
            self._cosmetic_from = monotonic() + COSMETIC_SECONDS
        request = decision.request
        try:
            answer = await self._cluster.patch_status(request, merge_patch(request.status, decision.status))
        except ApiError as error:
            if error.status == 404:
                return
            raise
        self._written[request.uid] = RequestState(answer)
        self._metrics.told(request.status, decision.status)
        for event in decision.events:
            log.info("%s: %s", event.reason, event.message, extra=_extra(request))
            await self._cluster.create_event(request, event)

    async def _unless_gone(self, call: Awaitable[object]) -> None:
        try:
            await call
        except ApiError as error:
            if error.status != 404:
                raise


def version(request: RequestState) -> int:
    """The resource version, which grows with each change."""
    return int(request.document["metadata"]["resourceVersion"])


def _extra(request: RequestState) -> dict[str, str]:
    return {"request": f"{request.namespace}/{request.name}"}
