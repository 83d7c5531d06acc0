"""The names by which the parts know each other's things: in the API, in the environment of pods, and in a store.

Every name follows from its inputs alone, so that a second run finds the first one's work.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

GROUP = "mosaics.arbutus.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "MosaicRequest"
PLURAL = "mosaicrequests"

ENV_INPUT = "MOSAIC_INPUT"
"""The file that holds the document a pod works on (mosaic_crds.pod_input)."""
ENV_INPUT_DIGEST = "MOSAIC_INPUT_SHA256"
"""The SHA-256 of that file."""
ENV_PARALLELISM = "MOSAIC_PARALLELISM"
"""Pods that a request may have at once."""
ENV_STORE = "MOSAIC_STORE"
ENV_STORE_PATIENCE = "MOSAIC_STORE_PATIENCE"
"""Seconds for which a store that does not answer is asked again."""
ENV_ALLOWED_HOSTS = "MOSAIC_ALLOWED_HOSTS"
ENV_MAX_PIXELS = "MOSAIC_MAX_PIXELS"
ENV_MAX_SCENES = "MOSAIC_MAX_SCENES"
SOURCES_PREFIX = "MOSAIC_SOURCES_"
"""Before the names AWS_… of the account that reads scenes from S3 buckets; without it they are the store's."""
ENV_RANGE_SECONDS = "MOSAIC_RANGE_SECONDS"
"""Core-seconds of work that a pod is given at least."""
ENV_TERMINATION_LOG = "MOSAIC_TERMINATION_LOG"
ENV_COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes in the pods of an Indexed Job."""
ENV_SCRATCH_BYTES = "MOSAIC_SCRATCH_BYTES"
"""How many bytes of files from servers a worker may keep on its disk."""

LABEL_REQUEST = f"{GROUP}/request"
"""On Jobs and pods: the name of the request."""
LABEL_STEP = f"{GROUP}/step"
"""On Jobs and pods: the step."""
LABEL_OWNER = f"{GROUP}/owner"
"""On a request that the API applied: the id of the user who owns it, for fair turns. Nobody else may set it."""
LABEL_FINISHED = f"{GROUP}/finished"
"""On requests that are over: the phase. On their Jobs too. What has it is left out of lists and watches."""
ANNOTATION_ROW = f"{GROUP}/row"
"""On a request that was asked for in a database: the id of its row."""
TILES_LEFT = "tilesLeft"
"""In the last words of a finalize pod that cannot publish yet: how many tiles must be computed again."""
WORKER_CONTAINER = "worker"
"""In the pods of every step."""


class Step(StrEnum):
    """What a pod is started for."""

    PLAN = "plan"
    TILES = "tiles"
    FINALIZE = "finalize"
    SWEEP = "sweep"


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


def job_name(request: str, step: Step) -> str:
    """The Job of a request's step."""
    return f"{request}-{step}"


def input_name(owner: str, digest: str) -> str:
    """The Secret with the input of the pods of an owner, the uid of a request or `sweep`; other content, other name."""
    return f"mosaic-{owner}-{digest[:16]}"


WORK_FOLDER = "work/"
"""Of all unfinished work."""


def work_prefix(uid: str) -> str:
    """The folder of a request's unfinished work."""
    return f"{WORK_FOLDER}{uid}/"


def uid_of_work(key: str) -> str:
    """The uid of the request to whose unfinished work an object belongs."""
    return key.removeprefix(WORK_FOLDER).split("/", 1)[0]


def plan_key(uid: str) -> str:
    """A request's plan."""
    return f"{work_prefix(uid)}plan.json"


def part_key(uid: str, tile: int, digest: str) -> str:
    """The part of a tile, named by its content, so that two of them never meet under one name."""
    return f"{work_prefix(uid)}tiles/{tile}-{digest[:16]}.tif"


def record_key(uid: str, tile: int, skipped: Sequence[int] = ()) -> str:
    """The record that a tile is done; the first one stays.

    Args:
        uid: of the request.
        tile: its index.
        skipped: numbers of the unreadable scenes that the tile was computed without.
    """
    without = f"-{hashlib.sha256(repr(sorted(skipped)).encode()).hexdigest()[:16]}" if skipped else ""
    return f"{work_prefix(uid)}tiles/{tile}{without}.json"


def unreadable_prefix(uid: str) -> str:
    """The folder of the notes on scenes that proved unreadable while tiles were computed."""
    return f"{work_prefix(uid)}unreadable/"


def unreadable_key(uid: str, scene: int) -> str:
    """The note that a scene of the plan, by its number, is unreadable; the first one stays."""
    return f"{unreadable_prefix(uid)}{scene}.json"


def result_key(namespace: str, name: str, uid: str, file: str) -> str:
    """A file of a request's result."""
    return f"mosaics/{namespace}/{name}/{uid}/{file}"


ENTRIES_FOLDER = "entries/"
"""Of all that people keep beside mosaics."""


def entry_prefix(entry_id: str) -> str:
    """The folder of an entry's files."""
    return f"{ENTRIES_FOLDER}{entry_id}/"


def entry_key(entry_id: str, role: str, mark: str, suffix: str) -> str:
    """A file of an entry; by its mark no other one has its name."""
    return f"{entry_prefix(entry_id)}{role}-{mark[:16]}{suffix}"
