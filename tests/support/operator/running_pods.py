"""What Kubernetes makes of a Job's pod template: the expanded environment, and the mounted file."""

import base64
import re
from pathlib import Path
from typing import Any

from mosaic_crds import worker_pod
from mosaic_crds.worker_pod import FILE, FOLDER, PodInput

Manifest = dict[str, Any]
SECRET_LIMIT = 2**20
"""Maximum size of a Secret in Kubernetes, in bytes."""
STRING_LIMIT = 128 * 1024
"""Maximum length of an environment string or an argument in Linux, in bytes."""


def expanded(text: str, variables: dict[str, str]) -> str:
    """Expand text as Kubernetes does (k8s.io/kubernetes/third_party/forked/golang/expansion)."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", value, text)


def environment_of(job: Manifest, **secrets: dict[str, str]) -> dict[str, str]:
    """The environment of a Job's worker; its arguments contain no references."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        found |= secrets[source["secretRef"]["name"]]
    for entry in container["env"]:
        found[entry["name"]] = expanded(entry["value"], found)
    for argument in [*container["args"], *container.get("command", ())]:
        assert expanded(argument, found) == argument
    assert all(len(name) + len(value) + 2 <= STRING_LIMIT for name, value in found.items())
    return found


def given_to(job: Manifest, secret: Manifest, folder: Path, environment: dict[str, str] | None = None) -> Any:
    """The document that a Job's worker reads from the Secret; also sets the file's path in the environment, in a
    folder.
    """
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (volume,) = [volume["name"] for volume in pod["volumes"] if volume.get("secret") == {"secretName": name_of(secret)}]
    assert {"name": volume, "mountPath": FOLDER, "readOnly": True} in container["volumeMounts"]
    assert secret["metadata"]["namespace"] == job["metadata"]["namespace"]
    content = base64.b64decode(secret["data"][FILE])
    assert len(content) <= SECRET_LIMIT
    environment = environment_of(job) if environment is None else environment
    assert environment[worker_pod.ENV_INPUT] == f"{FOLDER}/{FILE}"
    (folder / FILE).write_bytes(content)
    environment[worker_pod.ENV_INPUT] = str(folder / FILE)
    return PodInput(content).unpack(environment[worker_pod.ENV_INPUT_DIGEST])


def name_of(manifest: Manifest) -> str:
    """The name of an object."""
    return str(manifest["metadata"]["name"])
