"""Phases and conditions of a request: what each means, and which phases may follow each other."""

from types import MappingProxyType

from mosaic_crds.docstrings import DocumentedEnum


class Phase(DocumentedEnum):
    """The phase of a request."""

    PENDING = "Pending"
    """Pending means that the request waits for its turn. It is set on new and resumed requests while the installation
    runs as many requests as it allows, and when the worker of a request stops."""
    PLANNING = "Planning"
    """Planning means that scenes are being found and the mosaic is being divided into ranges of tiles. It is set when
    the request starts."""
    RUNNING = "Running"
    """Running means that tiles are being computed. It is set when the plan is complete, and again when finalizing finds
    tiles that must be recomputed."""
    FINALIZING = "Finalizing"
    """Finalizing means that the files of the mosaic are being written. It is set when all tiles are computed."""
    SUCCEEDED = "Succeeded"
    """Succeeded means that the mosaic is published. It is set when all files are written, and is terminal."""
    FAILED = "Failed"
    """Failed means that no mosaic is published; the message says why. It is set when the request is invalid, when a
    step fails for good and when the deadline is exceeded, and is terminal."""
    CANCELLED = "Cancelled"
    """Cancelled means that the work was stopped for good. It is set when somebody cancels the request, and is
    terminal."""
    SUSPENDED = "Suspended"
    """Suspended means that the work is paused and computed tiles are kept. It is set while spec.execution.suspend is
    true."""

    @property
    def terminal(self) -> bool:
        """Whether no other phase follows."""
        return self in TERMINAL

    @property
    def working(self) -> bool:
        """Whether a step of the request is at work."""
        return self in WORKING


TRANSITIONS = MappingProxyType(
    {
        Phase.PENDING: frozenset(Phase) - {Phase.PENDING},
        Phase.PLANNING: frozenset(Phase) - {Phase.PLANNING},
        Phase.RUNNING: frozenset(Phase) - {Phase.RUNNING, Phase.PLANNING},
        Phase.FINALIZING: frozenset(Phase) - {Phase.FINALIZING, Phase.PLANNING},
        Phase.SUSPENDED: frozenset(Phase) - {Phase.SUSPENDED},
        Phase.SUCCEEDED: frozenset[Phase](),
        Phase.FAILED: frozenset[Phase](),
        Phase.CANCELLED: frozenset[Phase](),
    }
)
"""The phases that may follow each phase. Steps that nobody saw are skipped, so later phases may always follow."""
TERMINAL = tuple(phase for phase in Phase if not TRANSITIONS[phase])
"""The phases that no other phase follows."""
UNPUBLISHED = tuple(phase for phase in TERMINAL if phase is not Phase.SUCCEEDED)
"""The terminal phases of requests without a mosaic."""
WORKING = (Phase.PLANNING, Phase.RUNNING, Phase.FINALIZING)
"""The phases in which a step of the request is at work."""


class Condition(DocumentedEnum):
    """A condition of a request, by the conventions of Kubernetes. It is Unknown until it is decided."""

    READY = "Ready"
    """Ready means that the mosaic is published and can be used. It is true in the phase Succeeded, false in Failed and
    Cancelled, and unknown in all others; the reason is the phase, or why the request failed."""
    ACCEPTED = "Accepted"
    """Accepted means that the request is valid and allowed in this installation. It is decided when the request is
    first seen."""
    PLANNED = "Planned"
    """Planned means that the plan is complete: status.plan shows it. It is false when the request ends without one."""
    TILES_READY = "TilesReady"
    """TilesReady means that all tiles are computed. It is unknown again when tiles must be recomputed, and false when
    the request ends before."""
    PUBLISHED = "Published"
    """Published means that all files of the mosaic are written: status.result shows them. It is false when the request
    ends without a mosaic."""
    DEGRADED = "Degraded"
    """Degraded means that something keeps a step from working, such as a pod that cannot start or an attempt that
    failed and is retried. It stays true when the request fails."""
    STALLED = "Stalled"
    """Stalled means that the request ended without a mosaic, and nothing will change that. Tools that follow kstatus,
    such as Flux, report it as failed."""
