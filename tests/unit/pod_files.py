"""What is mounted in a pod, written to a folder for the programs that pods run."""

from pathlib import Path
from typing import Any

from mosaic_crds import names
from mosaic_crds.pod_input import FILE, PodInput


def mounted(document: Any, folder: Path) -> dict[str, str]:
    """Write a pod's input; give the environment that says where it is."""
    given = PodInput.of(document)
    (folder / FILE).write_bytes(given.content)
    return {names.ENV_INPUT: str(folder / FILE), names.ENV_INPUT_DIGEST: given.digest}
