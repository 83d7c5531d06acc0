"""`make bench-cluster`: report the duration of requests on a real Kubernetes, and the cost of the operator."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import kubernetes
import yaml
from mosaic_crds.names import GROUP, LABEL_REQUEST, LABEL_STEP, PLURAL, VERSION
from mosaic_operator.settings import Settings

from bench import scenes
from support.cluster.cluster import Release, the_cluster
from support.cluster.scene_server import Gate, serving
from support.scenes.rasters import noise, write_raster

CROWD = 200
"""Concurrent small requests."""


class Watcher:
    """Records when each request enters a phase, and when each of its Jobs appears and ends, by the local clock."""

    def __init__(self, namespace: str) -> None:
        kubernetes.config.load_kube_config(os.environ["KUBECONFIG"])
        self.seen: dict[str, dict[str, float]] = defaultdict(dict)
        api, batch = kubernetes.client.CustomObjectsApi(), kubernetes.client.BatchV1Api()
        listings = [
            (self._request, api.list_namespaced_custom_object, (GROUP, VERSION, namespace, PLURAL)),
            (self._job, batch.list_namespaced_job, (namespace,)),
        ]
        for note, listing, place in listings:
            threading.Thread(target=self._follow, args=(note, listing, place), daemon=True).start()

    def _follow(self, note: Any, listing: Any, place: Any) -> None:
        while True:
            for event in kubernetes.watch.Watch().stream(listing, *place, timeout_seconds=3600):
                note(event["raw_object"] if "raw_object" in event else event["object"])

    def _request(self, request: dict[str, Any]) -> None:
        status, seen = request.get("status", {}), self.seen[request["metadata"]["name"]]
        if "phase" in status:
            seen.setdefault(status["phase"], time.time())
        if status.get("progress", {}).get("rangesDone"):
            seen.setdefault("first range", time.time())

    def _job(self, job: dict[str, Any]) -> None:
        labels = job["metadata"].get("labels", {})
        if LABEL_REQUEST not in labels:
            return
        seen, step = self.seen[labels[LABEL_REQUEST]], labels[LABEL_STEP]
        seen.setdefault(f"{step} made", time.time())
        if any(c["type"] == "Complete" for c in job.get("status", {}).get("conditions") or ()):
            seen.setdefault(f"{step} done", time.time())

    def wait(self, names: list[str], seconds: float = 1800) -> None:
        """Wait until requests are finished."""
        deadline = time.time() + seconds
        while not all({"Succeeded", "Failed"} & set(self.seen[name]) for name in names):
            if time.time() > deadline:
                sys.exit(f"not over in time: {[n for n in names if 'Succeeded' not in self.seen[n]]}")
            time.sleep(0.2)
        failed = [name for name in names if "Failed" in self.seen[name]]
        if failed:
            sys.exit(f"failed: {failed}")


def operator_cost(release: Release) -> tuple[float, int]:
    """The operator's memory in MiB, and the number of its calls to the API server."""
    (pod,) = release.operator_pods()
    text = release.cluster.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{release.namespace}/pods/{pod}:8080/proxy/metrics"
    )
    counted = re.findall(r'^mosaic_api_calls_total\{resource="(.*?)".*\} (\S+)', text, re.MULTILINE)
    calls = sum(float(count) for resource, count in counted if resource != "leases")
    memory = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
    return float(memory[1]) / 2**20 if memory else 0.0, round(calls)


def single(release: Release, watcher: Watcher, name: str, spec: dict[str, Any], alone: float) -> None:
    """Time one request."""
    before = operator_cost(release)[1]
    applied = time.time()
    release.submit(name, spec)
    watcher.wait([name])
    seen = {what: when - applied for what, when in watcher.seen[name].items()}
    calls = operator_cost(release)[1] - before
    gaps = [seen["tiles made"] - seen["plan done"], seen["finalize made"] - seen["tiles done"]]
    print(
        f"| {name} | {seen['Running']:.1f} | {seen['first range']:.1f} | {seen['Succeeded']:.1f} | {alone:.1f} "
        f"| {100 * (1 - alone / seen['Succeeded']):.0f} % | {max(gaps):.2f} | {calls} |",
        flush=True,
    )


def on_one_machine(spec: dict[str, Any]) -> float:
    """Seconds of `mosaic run` for the same request."""
    with tempfile.TemporaryDirectory() as folder:
        request = {
            "apiVersion": f"{GROUP}/{VERSION}", "kind": "MosaicRequest", "metadata": {"name": "alone"}, "spec": spec,
        }  # fmt: skip
        path = Path(folder) / "request.yaml"
        path.write_text(yaml.safe_dump(request))
        started = time.time()
        command = [Path(sys.executable).parent / "mosaic", "run", path, "--store", Path(folder) / "store"]
        subprocess.run(command, check=True, capture_output=True)
        return time.time() - started


def main() -> None:
    """Print the report."""
    cluster = the_cluster()
    if isinstance(cluster, str):
        sys.exit(f"no cluster: {cluster}")
    pair = scenes.pair()
    folder = Path(tempfile.mkdtemp())
    (folder / "pair").symlink_to(pair)
    write_raster(folder / "small.tif", noise(512, 512), tiled=True)
    with serving(folder, cluster.host, Gate()) as address:
        release = Release(cluster, f"bench-{os.getpid()}", address)
        cluster.kubectl("apply", "--server-side", "--filename", "crds/mosaicrequest.yaml")
        release.install({"worker": {"rangeSeconds": Settings.model_fields["range_seconds"].default}})
        watcher = Watcher(release.namespace)
        bands = {band: {"href": f"http://{address}/pair/{band}.jp2", "nodata": 0} for band in ("green", "swir16")}
        large = {"source": {"files": {"scenes": [{"bands": bands}]}}, "product": {"index": "NDSI"}}
        small = {
            "source": {"files": {"scenes": [{"bands": {"green": f"http://{address}/small.tif"}}]}},
            "product": {"bands": ["green"]},
        }
        print("Seconds from kubectl apply; `mosaic run` is the same request on this machine without Kubernetes.\n")
        print("| request | Planned | first range | Succeeded | mosaic run | not pixels | Job to next Job | API calls |")
        print("|---|---|---|---|---|---|---|---|")
        for spec, name in ((small, "small"), (large, "ndsi-pair")):
            single(release, watcher, name, spec | {"execution": {"parallelism": 2}}, on_one_machine(spec))
        memory, calls = operator_cost(release)
        started = time.time()
        names = [f"crowd-{number}" for number in range(CROWD)]
        for name in names:
            release.submit(name, small)
        applied = time.time() - started
        watcher.wait(names)
        taken = time.time() - started
        after, all_calls = operator_cost(release)
        print(
            f"\n{CROWD} small requests: applied in {applied:.0f} s, published after {taken:.0f} s "
            f"({60 * CROWD / taken:.0f} a minute); memory {memory:.0f} MiB before, {after:.0f} MiB after; "
            f"{(all_calls - calls) / CROWD:.1f} API calls a request."
        )
        cluster.kubectl("delete", "namespace", release.namespace, "--wait=false")


if __name__ == "__main__":
    main()
