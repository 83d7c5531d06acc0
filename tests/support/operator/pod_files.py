"""Write the files that are mounted in a pod to a folder, for the programs that pods run."""

from pathlib import Path
from typing import Any

from mosaic_crds import worker_pod
from mosaic_crds.worker_pod import FILE, PodInput


def mounted(document: Any, folder: Path) -> dict[str, str]:
    """Write a pod's input, and return the environment variables that refer to it."""
    given = PodInput.of(document)
    (folder / FILE).write_bytes(given.content)
    return {worker_pod.ENV_INPUT: str(folder / FILE), worker_pod.ENV_INPUT_DIGEST: given.digest}
