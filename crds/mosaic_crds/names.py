"""The names by which the parts know each other's things: in the API, in the environment of pods, and in a store.

Every name follows from its inputs alone, so that a second run finds the first one's work.
"""

import hashlib
from collections.abc import Sequence

GROUP = "mosaics.arbutus.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "MosaicRequest"
PLURAL = "mosaicrequests"

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


def job_name(request: str, step: str) -> str:
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


DATASETS_FOLDER = "datasets/"
"""The folder of all datasets."""


def dataset_prefix(dataset_id: str) -> str:
    """The folder of the files of a dataset."""
    return f"{DATASETS_FOLDER}{dataset_id}/"


def dataset_key(dataset_id: str, role: str, mark: str, suffix: str) -> str:
    """A file of a dataset; by its mark no other file has its name."""
    return f"{dataset_prefix(dataset_id)}{role}-{mark[:16]}{suffix}"
