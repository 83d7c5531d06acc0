"""The lifecycle of a request: phases, conditions, the clock of its deadline, and the messages about them. Pure."""

from mosaic_crds.lifecycle import messages
from mosaic_crds.lifecycle.phases import TERMINAL, TRANSITIONS, UNPUBLISHED, WORKING, Condition, Phase
from mosaic_crds.lifecycle.trouble import CRASHED, REFUSED, RETRYING, SOURCE_OR_STORE, Trouble
from mosaic_crds.lifecycle.writer import Event, StatusWriter, conditions_of, holds

__all__ = [
    "CRASHED", "REFUSED", "RETRYING", "SOURCE_OR_STORE", "TERMINAL", "TRANSITIONS", "UNPUBLISHED", "WORKING",
    "Condition", "Event", "Phase", "StatusWriter", "Trouble", "conditions_of", "holds", "messages",
]  # fmt: skip
