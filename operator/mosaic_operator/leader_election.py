"""Leader election: the replica that holds a Lease works. kopf's peering would pause two equal replicas forever."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any

from aiohttp import ClientError
from kubernetes.aio.client import ApiException, V1Lease, V1ObjectMeta
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from mosaic_operator.cluster import Cluster
from mosaic_operator.settings import Settings

LEASE_SECONDS = 15
"""A Lease that was not renewed for this long is free."""
RENEW_SECONDS = 10
"""A holder that could not renew for this long stops, before another can take the Lease."""
RETRY_SECONDS = 2

log = logging.getLogger(__name__)


class _PatientLock(LeaseLock):
    """A Lease that tolerates an unreachable API server for a while."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        super().__init__(settings.lease, settings.own_namespace, settings.own_name, cluster.client)
        self._cluster = cluster

    async def get(self, name: str, namespace: str) -> Any:
        self._cluster.calls["get", "leases"] += 1
        try:
            found = await super().get(name, namespace)
            self._cluster.answered = monotonic()
            return found
        except (ClientError, OSError, TimeoutError) as error:
            return False, ApiException(status=0, reason=f"no response: {error or type(error).__name__}")
        except (AttributeError, TypeError, ValueError) as error:  # someone wrote invalid times into it
            return False, ApiException(status=0, reason=f"it cannot be read: {error}; delete it")

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        self._cluster.calls["create", "leases"] += 1
        begun = monotonic()
        # not super().create(): it passes pretty=True, which the client of version 37 refuses to send
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            await self.api_instance.create_namespaced_lease(namespace, lease)
        except (ApiException, ClientError, OSError, TimeoutError) as error:
            log.warning("the Lease %s cannot be created: %s", name, error)
            return False
        self._cluster.leads_until = begun + LEASE_SECONDS
        return True

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        self._cluster.calls["update", "leases"] += 1
        begun = monotonic()
        try:
            updated = bool(await super().update(name, namespace, updated_record))
        except (ClientError, OSError, TimeoutError):
            return False
        if updated:
            self._cluster.leads_until = begun + LEASE_SECONDS
        return updated

    async def release(self) -> None:
        """Release the Lease to the next replica."""
        await self.get(self.name, self.namespace)  # the last renewal changed its version
        lease = self.lease_reference
        if lease is not None and lease.spec is not None and lease.spec.holder_identity == self.identity:
            lease.spec.holder_identity = None
            with suppress(ApiException, ClientError, OSError, TimeoutError):
                await self.api_instance.replace_namespaced_lease(self.name, self.namespace, lease)


async def lead(
    cluster: Cluster, settings: Settings, work: Callable[[], Coroutine[Any, Any, None]], stop: asyncio.Event
) -> bool:
    """Wait for the Lease, then work while it is held and stop is not set.

    Args:
        cluster: the API server.
        settings: the name of the Lease, and of this replica.
        work: runs while the Lease is held; it ends by itself when stop is set.
        stop: set to end; set here if the Lease is lost or the work fails.

    Returns:
        Whether it ended because stop was set by others.
    """
    lock = _PatientLock(cluster, settings)
    working: list[asyncio.Task[None]] = []

    async def begin() -> None:
        working.append(asyncio.create_task(work()))
        await asyncio.wait(working)
        stop.set()

    async def give_up() -> None:
        log.error("the Lease %s is lost: another replica may be active", settings.lease)

    election = asyncio.create_task(
        LeaderElection(Config(lock, LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, begin, give_up)).run()
    )
    wanted = asyncio.create_task(stop.wait())
    await asyncio.wait({election, wanted}, return_when=asyncio.FIRST_COMPLETED)
    lost = election.done()
    stop.set()
    election.cancel()
    ends = await asyncio.gather(election, *working, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            log.error("the work ended: %s", end, exc_info=end)
    await lock.release()
    return not lost and not any(isinstance(end, Exception) for end in ends)
