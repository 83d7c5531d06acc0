"""The names by which the parts know each other's things: in the API, in the environment of pods, and in a store.

Every name follows from its inputs alone, so that a second run finds the first one's work.
"""

from enum import StrEnum

GROUP = "mosaics.arbutus.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "MosaicRequest"
PLURAL = "mosaicrequests"

ENV_REQUEST = "MOSAIC_REQUEST"
ENV_STORE = "MOSAIC_STORE"
ENV_ALLOWED_HOSTS = "MOSAIC_ALLOWED_HOSTS"
ENV_MAX_PIXELS = "MOSAIC_MAX_PIXELS"
ENV_TERMINATION_LOG = "MOSAIC_TERMINATION_LOG"
ENV_COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes in the pods of an Indexed Job."""


class Phase(StrEnum):
    """Where a request stands."""

    PENDING = "Pending"
    PLANNING = "Planning"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    SUSPENDED = "Suspended"


class Condition(StrEnum):
    """The conditions of a request, as Kubernetes uses the word."""

    ACCEPTED = "Accepted"
    PLANNED = "Planned"
    TILES_READY = "TilesReady"
    PUBLISHED = "Published"
    DEGRADED = "Degraded"


def work_prefix(uid: str) -> str:
    """The folder of a request's unfinished work."""
    return f"work/{uid}/"


def plan_key(uid: str) -> str:
    """A request's plan."""
    return f"{work_prefix(uid)}plan.json"


def part_key(uid: str, tile: int, digest: str) -> str:
    """The part of a tile, named by its content, so that two of them never meet under one name."""
    return f"{work_prefix(uid)}tiles/{tile}-{digest[:16]}.tif"


def record_key(uid: str, tile: int) -> str:
    """The record that a tile is done; the first one stays."""
    return f"{work_prefix(uid)}tiles/{tile}.json"


def result_key(namespace: str, name: str, uid: str, file: str) -> str:
    """A file of a request's result."""
    return f"mosaics/{namespace}/{name}/{uid}/{file}"
