"""Reading objects of the API that others wrote: what one of them says must not stop the work on the others."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from mosaic_crds.worker_pod import WORKER_CONTAINER

Document = Mapping[str, Any]
"""An object as the API server gives it."""
T = TypeVar("T")

log = logging.getLogger(__name__)


def controller(document: Document, version: str, kind: str) -> Document | None:
    """The reference to the object of a kind that controls another one, which nobody but its maker can set."""
    for owner in document["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and (owner.get("apiVersion"), owner.get("kind")) == (version, kind):
            found: Document = owner
            return found
    return None


def worker_image(pod_spec: Document) -> str:
    """The image of the worker's container; empty where there is none."""
    return next((str(c.get("image", "")) for c in pod_spec["containers"] if c["name"] == WORKER_CONTAINER), "")


def readable(read: Callable[[Document], T | None], documents: Iterable[Document]) -> list[T]:
    """What can be read of several objects: an odd one is left out, with a line in the log, and stops no other.

    Args:
        read: gives what an object says; None leaves it out.
        documents: objects of the API.
    """
    found = []
    for document in documents:
        try:
            taken = read(document)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            metadata = document.get("metadata") or {}
            where = f"{metadata.get('namespace')}/{metadata.get('name')}"
            log.warning("leaving out %s, which cannot be read: %s: %s", where, type(error).__name__, error)
        else:
            found += [] if taken is None else [taken]
    return found
