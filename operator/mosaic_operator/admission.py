"""Decides which requests may run now: within limits for the cluster, a namespace and a user, and in a fair order."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from mosaic_crds.source_kinds import SourceKind

from mosaic_operator.observed import Admission
from mosaic_operator.requests import RequestState
from mosaic_operator.settings import Settings

Owner = tuple[str, str]
"""A namespace and the id of an API user; empty for all others there, such as users of kubectl."""
NEVER = datetime.min.replace(tzinfo=UTC)


def owner_of(request: RequestState, settings: Settings) -> Owner:
    """The owner of a request. The label counts only in the namespace in which the cluster lets only the API set it."""
    return request.namespace, request.owner if request.namespace == settings.owners_namespace else ""


def admissions(
    requests: Sequence[RequestState],
    begun: Collection[str],
    settings: Settings,
    served: Mapping[Owner, datetime] = MappingProxyType({}),
) -> dict[str, Admission]:
    """The admission of each running or waiting request.

    Running requests keep their slot. A free slot goes to the namespace with the fewest running requests, in it to the
    owner with the fewest, among equals to the one admitted longest ago, and of an owner to the oldest request. Requests
    with the same kind of source share the pods that may read from it at once, and wait while none is left.

    Args:
        requests: all requests.
        begun: uids of admitted requests, even if their status does not show it yet.
        settings: the limits.
        served: when each owner was last admitted; the status of those in `requests` shows it too.
    """
    usage = _Usage(settings, served)
    admitted: list[RequestState] = []
    waiting: dict[Owner, list[RequestState]] = {}
    for request in requests:
        usage.remember(request)
        if request.over or request.deleting or request.execution.suspend:
            continue
        if request.working or request.uid in begun:
            usage.take(request)
            admitted.append(request)
        else:
            waiting.setdefault(owner_of(request, settings), []).append(request)
    queues = {owner: sorted(queue, key=_age) for owner, queue in waiting.items()}
    while open_to := [owner for owner, queue in queues.items() if not usage.limit(owner, queue[0])]:
        owner = min(open_to, key=lambda owner: (*usage.rank(owner), *_age(queues[owner][0])))
        request = queues[owner].pop(0)
        usage.take(request)
        admitted.append(request)
        if not queues[owner]:
            del queues[owner]
    found = {request.uid: Admission(admitted=True, pods=usage.share(request.source_kind)) for request in admitted}
    for owner, queue in queues.items():
        running, limit = usage.limit(owner, queue[0]) or (0, "")
        for place, request in enumerate(queue):
            found[request.uid] = Admission(admitted=False, ahead=running + place, limit=limit)
    return found


class _Usage:
    """Counts running requests: all, and of each namespace and owner."""

    def __init__(self, settings: Settings, served: Mapping[Owner, datetime]) -> None:
        self._settings = settings
        self._reading: Counter[SourceKind | None] = Counter()
        self._of_owner: Counter[Owner] = Counter()
        self._of_namespace: Counter[str] = Counter()
        self._served = dict(served)
        self._served_in: dict[str, datetime] = {}
        for (namespace, _), when in served.items():
            self._served_in[namespace] = max(when, self._served_in.get(namespace, NEVER))

    def remember(self, request: RequestState) -> None:
        """Note when a request started."""
        owner, when = owner_of(request, self._settings), request.started or NEVER
        self._served[owner] = max(when, self._served.get(owner, NEVER))
        self._served_in[owner[0]] = max(when, self._served_in.get(owner[0], NEVER))

    def take(self, request: RequestState) -> None:
        """Count a running request."""
        self._of_owner[owner_of(request, self._settings)] += 1
        self._of_namespace[request.namespace] += 1
        self._reading[request.source_kind] += 1

    def share(self, kind: SourceKind | None) -> int | None:
        """The most pods of a running request with this kind of source; None for no limit."""
        return max(1, kind.processes // self._reading[kind]) if kind and kind.processes else None

    def rank(self, owner: Owner) -> tuple[int, datetime, int, datetime]:
        """Sort key: the owner with the lowest is next."""
        return (
            self._of_namespace[owner[0]],
            self._served_in.get(owner[0], NEVER),
            self._of_owner[owner],
            self._served.get(owner, NEVER),
        )

    def limit(self, owner: Owner, request: RequestState) -> tuple[int, str] | None:
        """The limit that a request of an owner waits for and how many run under it; None for none."""
        settings = self._settings
        own, near, overall = self._of_owner[owner], self._of_namespace[owner[0]], self._of_namespace.total()
        if owner[0] == settings.owners_namespace and own >= settings.max_running_per_owner:
            return own, f"only {settings.max_running_per_owner} per user may run at once"
        if near >= settings.max_running_per_namespace:
            return near, f"only {settings.max_running_per_namespace} per namespace may run at once"
        if overall >= settings.max_running:
            return overall, f"only {settings.max_running} may run at once"
        kind = request.source_kind
        if kind and kind.processes and self._reading[kind] >= kind.processes:
            return self._reading[kind], f"only {kind.processes} may read from {kind.title} at once"
        return None


def _age(request: RequestState) -> tuple[str, str]:
    return request.created, request.uid
