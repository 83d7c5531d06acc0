"""Which requests may work now: so many at once, so many of a namespace, and no namespace before its turn."""

from collections import Counter
from collections.abc import Collection, Sequence

from mosaic_crds.source import EARTH_DAILY_PROCESSES

from mosaic_operator.observed import AT_WORK, RequestState, Turn
from mosaic_operator.settings import Settings


def turns(requests: Sequence[RequestState], begun: Collection[str], settings: Settings) -> dict[str, Turn]:
    """The turn of each request that is at work or waits.

    Those at work stay. Free places go to the namespace with the fewest at work, and in it to the oldest request. Those
    that read from EarthDaily share the pods that may do so at once, and wait where there is none left.

    Args:
        requests: all that there are.
        begun: uids that were let in, though their status may not say so yet.
        settings: the limits.
    """
    found: dict[str, Turn] = {}
    at_work: Counter[str] = Counter()
    waiting: dict[str, list[RequestState]] = {}
    for request in requests:
        if request.over or request.deleting or request.execution.suspend:
            continue
        if request.phase in AT_WORK or request.uid in begun:
            at_work[request.namespace] += 1
            found[request.uid] = Turn(admitted=True)
        else:
            waiting.setdefault(request.namespace, []).append(request)
    queues = {
        namespace: sorted(queue, key=lambda request: (request.created, request.uid))
        for namespace, queue in waiting.items()
    }
    total = at_work.total()
    sharing = [request.uid for request in requests if request.uid in found and request.reads_earth_daily]
    while queues:
        open_to = [
            n
            for n, queue in queues.items()
            if at_work[n] < settings.max_running_per_namespace
            and (len(sharing) < EARTH_DAILY_PROCESSES or not queue[0].reads_earth_daily)
        ]
        if total >= settings.max_running or not open_to:
            break
        namespace = min(open_to, key=lambda n: (at_work[n], queues[n][0].created, queues[n][0].uid))
        request = queues[namespace].pop(0)
        found[request.uid] = Turn(admitted=True)
        sharing += [request.uid] if request.reads_earth_daily else []
        at_work[namespace] += 1
        total += 1
        if not queues[namespace]:
            del queues[namespace]
    found |= {uid: Turn(admitted=True, pods=max(1, EARTH_DAILY_PROCESSES // len(sharing))) for uid in sharing}
    for namespace, queue in queues.items():
        full = at_work[namespace] >= settings.max_running_per_namespace
        if full:
            running, limit = at_work[namespace], f"{settings.max_running_per_namespace} of a namespace may work at once"
        elif total < settings.max_running:
            running, limit = len(sharing), f"{EARTH_DAILY_PROCESSES} may read from EarthDaily at once"
        else:
            running, limit = total, f"{settings.max_running} may work at once"
        for place, request in enumerate(queue):
            found[request.uid] = Turn(admitted=False, ahead=running + place, limit=limit)
    return found
