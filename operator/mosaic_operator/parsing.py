"""Parses objects that others wrote: an invalid one must not stop the work on the others."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from mosaic_crds.worker_pod import WORKER_CONTAINER

Document = Mapping[str, Any]
"""An object as the API server returns it."""
T = TypeVar("T")

log = logging.getLogger(__name__)


def controller(document: Document, version: str, kind: str) -> Document | None:
    """The owner reference to the controller of an object, if it is of this kind. Only its creator can set it."""
    for owner in document["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and (owner.get("apiVersion"), owner.get("kind")) == (version, kind):
            found: Document = owner
            return found
    return None


def worker_image(pod_spec: Document) -> str:
    """The image of the worker's container; empty if there is none."""
    return next((str(c.get("image", "")) for c in pod_spec["containers"] if c["name"] == WORKER_CONTAINER), "")


def readable(read: Callable[[Document], T | None], documents: Iterable[Document]) -> list[T]:
    """Parse several objects; an invalid one is logged and skipped.

    Args:
        read: parses an object; None skips it.
        documents: objects of the API.
    """
    found = []
    for document in documents:
        try:
            taken = read(document)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            metadata = document.get("metadata") or {}
            where = f"{metadata.get('namespace')}/{metadata.get('name')}"
            log.warning("skipping %s, which cannot be read: %s: %s", where, type(error).__name__, error)
        else:
            found += [] if taken is None else [taken]
    return found
