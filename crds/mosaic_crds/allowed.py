"""What requests may name in the cluster of an installation; its administrator decides."""

from dataclasses import dataclass

from mosaic_crds.errors import RequestError
from mosaic_crds.spec import Execution


@dataclass(frozen=True)
class Allowed:
    """The names that `spec.execution` may have; none by default.

    Attributes:
        priority_classes: PriorityClasses. With system-node-critical, say, a request would evict the pods of others.
        queues: LocalQueues of Kueue.
    """

    priority_classes: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()

    def check(self, execution: Execution) -> None:
        """Refuse a name that is not allowed.

        Raises:
            RequestError: there is one; the sentence says which names are allowed.
        """
        _expect("priorityClass", execution.priority_class, self.priority_classes)
        _expect("queue", execution.queue, self.queues)


def _expect(field: str, name: str | None, allowed: tuple[str, ...]) -> None:
    if name is None or name in allowed:
        return
    instead = f"{' or '.join(allowed)} is allowed" if allowed else "none is allowed"
    raise RequestError(f'spec.execution.{field} is "{name}"; {instead} in this installation', f"spec.execution.{field}")
