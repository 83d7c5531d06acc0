"""The names that the packages share: in the API and in a store.

Every name depends only on its inputs, so a second run finds the work of the first.
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
"""On a request from the API: the id of its owner, for a fair order. Only the API may set it."""
LABEL_FINISHED = f"{GROUP}/finished"
"""On finished requests and their Jobs: the phase. It excludes them from lists and watches."""
ANNOTATION_TEMPLATE = f"{GROUP}/template"
"""On a Job: the digest of its pod template."""
ANNOTATION_ROW = f"{GROUP}/row"
"""On a request that was created in a database: the id of its row."""


def job_name(request: str, step: str) -> str:
    """The name of the Job of a step."""
    return f"{request}-{step}"


def input_name(owner: str, digest: str) -> str:
    """The name of the Secret with the input of pods. The owner is the uid of a request or `sweep`."""
    return f"mosaic-{owner}-{digest[:16]}"


WORK_FOLDER = "work/"
"""The folder of all unfinished work."""


def work_prefix(uid: str) -> str:
    """The folder of a request's unfinished work."""
    return f"{WORK_FOLDER}{uid}/"


def uid_of_work(key: str) -> str:
    """The uid of the request that an object of unfinished work belongs to."""
    return key.removeprefix(WORK_FOLDER).split("/", 1)[0]


def plan_key(uid: str) -> str:
    """A request's plan."""
    return f"{work_prefix(uid)}plan.json"


def part_key(uid: str, tile: int, digest: str) -> str:
    """The part of a tile. Its name contains its digest, so different parts never have the same name."""
    return f"{work_prefix(uid)}tiles/{tile}-{digest[:16]}.tif"


def records_prefix(uid: str) -> str:
    """The folder of the records of finished tiles."""
    return f"{work_prefix(uid)}records/"


def group_prefix(uid: str, group: int) -> str:
    """The folder of the records of a group of tiles, named by its first tile."""
    return f"{records_prefix(uid)}{group}/"


def record_key(uid: str, group: int, tile: int, skipped: Sequence[int] = ()) -> str:
    """The record of a finished tile; the first one stays.

    Args:
        uid: of the request.
        group: the first tile of its group.
        tile: its index.
        skipped: numbers of the unreadable scenes that the tile was computed without.
    """
    return f"{group_prefix(uid, group)}{tile}{_without(skipped)}.json"


GROUP_RECORDS = "all"
"""What the name of the records of a whole group begins with."""


def group_records_key(uid: str, group: int, skipped: Sequence[int] = ()) -> str:
    """The records of all tiles of a group, which replace the single ones; arguments as in `record_key`."""
    return f"{group_prefix(uid, group)}{GROUP_RECORDS}{_without(skipped)}.json"


def _without(scenes: Sequence[int]) -> str:
    return f"-{hashlib.sha256(repr(sorted(scenes)).encode()).hexdigest()[:16]}" if scenes else ""


def unreadable_prefix(uid: str) -> str:
    """The folder of the notes on scenes that proved unreadable while tiles were computed."""
    return f"{work_prefix(uid)}unreadable/"


def unreadable_key(uid: str, scene: int) -> str:
    """The note that a scene of the plan, by its number, is unreadable; the first one stays."""
    return f"{unreadable_prefix(uid)}{scene}.json"


SHARED_FOLDER = "shared/"
"""The folder of all shared tiles."""


def shared_prefix(namespace: str, key: str) -> str:
    """The folder of a tile that requests of a namespace share; the key is a digest of what determines its pixels."""
    return f"{SHARED_FOLDER}{namespace}/{key}/"


def shared_tile_key(namespace: str, key: str) -> str:
    """The record and the part of a shared tile."""
    return f"{shared_prefix(namespace, key)}tile"


def shared_claim_key(namespace: str, key: str) -> str:
    """The note that a request computes a shared tile; its content is the uid."""
    return f"{shared_prefix(namespace, key)}claim"


def shared_use_key(namespace: str, key: str, day: int) -> str:
    """The note that a shared tile was used on a day, in days since 1970."""
    return f"{shared_prefix(namespace, key)}used-{day}"


def shared_folder_of(key: str) -> str:
    """The folder of the shared tile that an object belongs to."""
    return key[: key.rindex("/") + 1]


def result_key(namespace: str, name: str, uid: str, file: str) -> str:
    """A file of a request's result."""
    return f"mosaics/{namespace}/{name}/{uid}/{file}"


DATASETS_FOLDER = "datasets/"
"""The folder of all datasets."""


def dataset_prefix(dataset_id: str) -> str:
    """The folder of the files of a dataset."""
    return f"{DATASETS_FOLDER}{dataset_id}/"


def dataset_key(dataset_id: str, role: str, mark: str, suffix: str) -> str:
    """A file of a dataset; the mark makes its name unique."""
    return f"{dataset_prefix(dataset_id)}{role}-{mark[:16]}{suffix}"
