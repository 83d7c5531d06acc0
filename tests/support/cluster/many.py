"""Many finished requests, as after a long time of operation, written directly to the API server."""

import os
from concurrent.futures import ThreadPoolExecutor

import kubernetes
from mosaic_crds.names import API_VERSION, GROUP, KIND, PLURAL, VERSION

from support.cluster.cluster import Document

WRITERS = 16
CONDITIONS = ("Accepted", "Planned", "TilesReady", "Published")
ENDED = "2026-01-01T00:00:00Z"


def create_finished(namespace: str, count: int, spec: Document) -> None:
    """Create requests that succeeded, without the label of finished requests."""
    kubernetes.config.load_kube_config(os.environ["KUBECONFIG"])
    api = kubernetes.client.CustomObjectsApi()

    def create(number: int) -> None:
        name = f"old-{number:05}"
        request = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
        made = api.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, request)
        status = {"status": finished(made["metadata"]["uid"])}
        api.patch_namespaced_custom_object_status(GROUP, VERSION, namespace, PLURAL, name, status)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(create, range(count)))


def finished(uid: str) -> Document:
    """The status of a request that succeeded."""
    return {
        "phase": "Succeeded",
        "message": "published",
        "startTime": ENDED,
        "completionTime": ENDED,
        "conditions": [
            {
                "type": kind, "status": "True", "reason": "Done", "message": "done",
                "lastTransitionTime": ENDED, "observedGeneration": 1,
            }
            for kind in CONDITIONS
        ],
        "plan": {
            "tiles": 9, "ranges": 3, "scenes": 2, "megapixels": 30.1, "estimatedCoreSeconds": 12, "estimatedBytes": 100,
        },
        "result": {
            "item": f"file:///store/{uid}/mosaic.json", "bounds": [0, 0, 1, 1], "pixels": 9,
            "statistics": {"validPercent": 100, "outOfRange": 0},
        },
    }  # fmt: skip
