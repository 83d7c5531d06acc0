"""The storage of claims on the lab's node."""

from collections.abc import Sequence
from pathlib import Path

from support.cluster.cluster import Cluster, Release

CLAIM = "mosaics"
"""The name of the claim in each namespace."""


def volume_of(release: Release) -> Path:
    """Where the store of a release is on the node."""
    claim = release.get("pvc")["items"][0]["spec"]["volumeName"]
    return Path(release.cluster.get("pv", claim)["spec"]["hostPath"]["path"])


def claim_same_storage(cluster: Cluster, folder: Path, namespaces: Sequence[str]) -> None:
    """Create a claim of the same name in each namespace. All use one folder, as with one NFS export."""
    folder.chmod(0o777)
    access, size = ["ReadWriteMany"], {"storage": "1Gi"}
    for namespace in namespaces:
        name = f"{CLAIM}-{namespace}"
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": size,
                "accessModes": access,
                "storageClassName": "shared",
                "claimRef": {"namespace": namespace, "name": CLAIM},
                "hostPath": {"path": str(folder), "type": "Directory"},
            },
        }
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": namespace},
            "spec": {
                "accessModes": access,
                "storageClassName": "shared",
                "volumeName": name,
                "resources": {"requests": size},
            },
        }
        cluster.apply(volume)
        cluster.apply(claim)
