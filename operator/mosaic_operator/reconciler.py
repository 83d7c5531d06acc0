"""Reconciles requests: observes a request, decides, acts, and writes its status once."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

from mosaic_crds.lifecycle import TERMINAL, WORKING, Condition, Phase
from mosaic_crds.names import LABEL_REQUEST
from mosaic_crds.worker_pod import Step

from mosaic_operator.backoff import Backoff, RetryLaterError
from mosaic_operator.cache import Cache, Key
from mosaic_operator.cluster import Cluster
from mosaic_operator.decide import decide
from mosaic_operator.decision import Decision, merge_patch
from mosaic_operator.failures import needs_refusals
from mosaic_operator.giving_up import GivingUp
from mosaic_operator.kube import ApiError, unless_gone
from mosaic_operator.metrics import Metrics
from mosaic_operator.observed import Admission, Observed
from mosaic_operator.parsing import readable
from mosaic_operator.pod_templates import Manifest
from mosaic_operator.pods import PodState
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings
from mosaic_operator.slots import Slots
from mosaic_operator.workqueue import WorkQueue

COSMETIC_SECONDS = 0.4
"""Interval between status writes that only change progress, over all requests."""
PENDING_SECONDS = 30
"""Interval at which the position of waiting requests is updated, unless there are very many."""
REFUSED_SECONDS = 30
"""Interval at which a Job that Kubernetes refused is retried."""

LIST_SECONDS = 60
"""Interval at which the pods of a running request are listed, in case that the watch has missed a deletion."""
REFUSALS_SECONDS = 8
"""Interval at which Events about the pods of a request are read."""

Now = Callable[[], datetime]
log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles requests.

    Attributes:
        queue: keys of requests to reconcile.
        backoff: counts their failures.
    """

    def __init__(
        self, cluster: Cluster, settings: Settings, metrics: Metrics, cache: Cache, now: Now = lambda: datetime.now(UTC)
    ) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(metrics.queued.observe)
        self.backoff: Backoff[Key] = Backoff()
        self._cluster, self._settings, self._metrics, self._cache, self._now = cluster, settings, metrics, cache, now
        self._slots = Slots(cache, settings, now)
        self._listed: dict[str, float] = {}
        self._refusals: dict[str, tuple[float, list[str]]] = {}
        self._giving_up = GivingUp(cluster, cache, self._slots, metrics, now)
        self._cosmetic_from = 0.0

    async def work(self) -> None:
        """Reconcile queued requests, forever."""
        await self.queue.work(self.reconcile)

    async def reconcile(self, key: Key) -> None:
        """Reconcile a request. Failures are retried with increasing delays; in the end the request is given up."""
        try:
            with self._metrics.reconciling.time():
                await self._reconcile(key)
        except Exception as error:
            self._metrics.failed(error)
            wait = self.backoff.failed(key, error)
            if wait is None:
                await self._give_up(key, error)
                return
            extra = {"request": "/".join(key)}
            if isinstance(error, ApiError | RetryLaterError):
                soon = isinstance(error, RetryLaterError) or wait < 0.5
                log.log(logging.DEBUG if soon else logging.WARNING, "%s; again in %.1f s", error, wait, extra=extra)
            else:
                log.exception("reconciling failed", extra=extra)
            self.queue.add_later(key, wait)
        else:
            self.backoff.worked(key)

    async def _reconcile(self, key: Key) -> None:
        request = self._cache.requests.get(key)
        for uid in self._slots.of(key):
            if request is None or request.uid != uid:
                self._free_slot(uid)
        self._giving_up.forget_others(key, "" if request is None else request.uid)
        if request is None:
            await self._look_after_stray(key)
            return
        wait = await self._giving_up.retry(request)
        if wait is not None:
            self.queue.add_later(key, wait)
            return
        request = self._cache.requests.get(key, request)
        if request.over and request.labelled_finished:
            return
        if "phase" not in request.status and not (request.whole or request.over or request.deleting):
            request = await self._whole(request)
        observed = await self._observe(request, self._slots.admission(request))
        decision = self._decide(observed)
        if (decision.create or decision.delete_secret) and not request.whole:
            decision = self._decide(replace(observed, request=await self._whole(request)))
        over = decision.status.get("phase") in TERMINAL
        if not over:  # otherwise after the status is written, because labelled Jobs leave the cache
            await self._change(decision)
        await self._act(decision)
        await self._tell(key, decision)
        if decision.status.get("phase") not in WORKING:
            self._free_slot(request.uid)
        if over and not request.deleting:
            await self._change(decision)
            await self._label(key, request.uid)
        elif decision.status.get("phase") == Phase.PENDING:
            self.queue.add_later(key, max(PENDING_SECONDS, COSMETIC_SECONDS * len(self._cache.requests)))
        elif decision.again_in is not None:
            self.queue.add_later(key, decision.again_in)

    def _decide(self, observed: Observed) -> Decision:
        return decide(observed, self._settings, self._now())

    async def _whole(self, request: RequestState) -> RequestState:
        """Read a request with its whole spec."""
        document = await self._cluster.get_request(request.namespace, request.name)
        if document is None or document["metadata"]["uid"] != request.uid:
            self._cache.remove((request.namespace, request.name), request.uid)
            raise RetryLaterError(f"the request {request.name} no longer exists")
        found = RequestState(document)
        self._cache.put(found)
        return found

    def _free_slot(self, uid: str) -> None:
        self._listed.pop(uid, None)
        self._refusals.pop(uid, None)
        for key in self._slots.leave(uid):
            self.queue.add(key)

    # -- finished requests, and requests that are given up

    async def _label(self, key: Key, uid: str) -> None:
        """Label a finished request, which excludes it from lists and watches."""
        request = self._cache.requests.get(key)
        if request is None or request.uid != uid or not request.over:
            return
        answer = await unless_gone(self._cluster.label_finished(request))
        if answer is None:
            self._cache.remove(key, uid)
        else:
            self._cache.put(RequestState(answer))

    async def _look_after_stray(self, key: Key) -> None:
        """Clean up after a request that is not watched: it has finished, or others labelled it so."""
        if key not in self._cache.jobs and key not in self._cache.strays:
            return
        document = await self._cluster.get_request(*key)
        request = RequestState(document) if document is not None else None
        if request is not None and request.labelled_finished and not request.deleting:
            if request.over:
                decision = self._decide(Observed(request, self._cache.jobs_of(request)))
                await self._act(decision)
                await self._change(decision)
            else:
                log.warning("removing the label of finished requests from an unfinished one", extra=_extra(request))
                await unless_gone(self._cluster.label_finished(request))
        self._cache.strays.discard(key)

    async def _give_up(self, key: Key, error: Exception) -> None:
        try:
            wait = await self._giving_up.end(key, error)
        except Exception:
            log.exception("giving up failed", extra={"request": "/".join(key)})
            wait = REFUSED_SECONDS
        for uid in self._slots.of(key):
            self._free_slot(uid)
        if wait is None:
            self.queue.add(key)
        else:
            self.queue.add_later(key, wait)

    # -- observing and acting

    async def _observe(self, request: RequestState, admission: Admission) -> Observed:
        jobs = self._cache.jobs_of(request)
        observed = Observed(request, jobs, self._cache.pods_of(jobs.values()), admission=admission)
        if request.over or request.deleting or not jobs:
            return observed
        if self._must_list(observed):
            pods: list[PodState] = []
            async for page in self._cluster.pods(request.namespace, f"{LABEL_REQUEST}={request.name}"):
                pods += readable(PodState.of, page)
            self._listed[request.uid] = monotonic()
            self._cache.replace_pods(jobs.values(), pods)
            observed = replace(observed, pods=self._cache.pods_of(jobs.values()))
        return replace(observed, refusals=await self._refusals_of(observed))

    async def _refusals_of(self, observed: Observed) -> list[str]:
        """Messages of Kubernetes on why it creates or starts no pods; read at most every few seconds."""
        request, refusals = observed.request, list[str]()
        when, known = self._refusals.get(request.uid, (-math.inf, []))
        if monotonic() - when < REFUSALS_SECONDS:
            return known
        for step, job in observed.jobs.items():
            since = (self._now() - job.started).total_seconds() if job.started else 0
            own = observed.pods_of(step)
            if job.outcome is None and observed.answer(step) is None and needs_refusals(job, own, since):
                waiting = [pod.uid for pod in own if not pod.over]
                about, reason = (waiting[0], "") if waiting else (job.uid, "FailedCreate")
                refusals += await self._cluster.warnings_about(request.namespace, about, reason=reason)
                self._refusals[request.uid] = monotonic(), refusals
        return refusals

    def _must_list(self, observed: Observed) -> bool:
        """Whether the pods of the watch are not enough: a Job has ended without them, or they may be old."""
        for step, job in observed.jobs.items():
            if job.outcome == "Failed" or (
                job.outcome == "Complete" and step is not Step.TILES and observed.answer(step) is None
            ):
                return True
        return monotonic() - self._listed.setdefault(observed.request.uid, monotonic()) >= LIST_SECONDS

    async def _act(self, decision: Decision) -> None:
        namespace = decision.request.namespace
        for name in decision.delete:
            if await unless_gone(self._cluster.delete_job(namespace, name)) is None:
                self._cache.forget_job((namespace, decision.request.name), name)
                self.queue.add((namespace, decision.request.name))
        for name in decision.give_up:
            log.warning("giving up pod %s on a node that does not respond", name, extra=_extra(decision.request))
            await unless_gone(self._cluster.give_up_pod(namespace, name))
        if decision.delete_secret is not None:
            await unless_gone(self._cluster.delete_secret(namespace, decision.delete_secret))
        for manifest in decision.create:
            if not await self._create(decision, manifest):
                break

    async def _change(self, decision: Decision) -> None:
        for name, patch in decision.change.items():
            await unless_gone(self._cluster.patch_job(decision.request.namespace, name, patch))

    async def _create(self, decision: Decision, manifest: Manifest) -> bool:
        """Create a Secret or a Job; return whether Kubernetes accepts it."""
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
                    raise RetryLaterError(f"another Job {name} has to be deleted first") from None
            elif error.status in {403, 422}:
                message = f"Kubernetes refuses the {kind} {name}: {error}"
                decision.lifecycle.say(Condition.DEGRADED, True, f"{kind}Refused", message)
                decision.lifecycle.enter(Phase(decision.status["phase"]), message)
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
                if decision.status.get("phase") != Phase.PENDING:  # waiting requests are reconciled again anyway
                    self.queue.add_later(key, wait)
                return
            self._cosmetic_from = monotonic() + COSMETIC_SECONDS
        request = decision.request
        patch = merge_patch(request.status, decision.status)
        answer = await unless_gone(self._cluster.patch_status(request, patch))
        if answer is None:
            self._cache.remove(key, request.uid)
            self._free_slot(request.uid)
            return
        self._cache.put(RequestState(answer))
        self._metrics.count(request.status, decision.status)
        for event in decision.events:
            log.info("%s: %s", event.reason, event.message, extra=_extra(request))
            await self._cluster.create_event(request, event)


def _extra(request: RequestState) -> dict[str, str]:
    return {"request": f"{request.namespace}/{request.name}"}
