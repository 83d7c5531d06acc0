"""Names of objects in the cluster that requests may use; the administrator lists them."""

from dataclasses import dataclass

from mosaic_crds.errors import RequestError
from mosaic_crds.spec import Execution


@dataclass(frozen=True)
class Allowed:
    """The names that `spec.execution` may contain; none by default.

    Attributes:
        priority_classes: PriorityClasses. With system-node-critical, for example, a request would evict other pods.
        queues: LocalQueues of Kueue.
    """

    priority_classes: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()

    def check(self, execution: Execution) -> None:
        """Refuse a name that is not allowed.

        Raises:
            RequestError: the name is not allowed; the message lists the allowed names.
        """
        _expect("priorityClass", execution.priority_class, self.priority_classes)
        _expect("queue", execution.queue, self.queues)


def _expect(field: str, name: str | None, allowed: tuple[str, ...]) -> None:
    if name is None or name in allowed:
        return
    instead = " or ".join(allowed) or "none"
    path = f"spec.execution.{field}"
    raise RequestError(f'{path} is "{name}"; this installation allows {instead}', path)
