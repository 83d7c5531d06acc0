"""`make bench-cluster`: report the duration of requests on a real Kubernetes, and the cost of the operator."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import yaml
from mosaic_crds.names import GROUP, LABEL_REQUEST, LABEL_STEP, PLURAL, VERSION

from bench import scenes
from support.cluster.cluster import Release, the_cluster, until
from support.cluster.scene_server import Gate, serving
from support.scenes.rasters import noise, write_raster

CROWD = 200
"""Small requests that are applied at once."""
SMALL_RUNS = 3
NOT_SHARED = {"limits": {"sharedBytes": 0}}
"""Values of the chart, so that each request computes its tiles."""
SIZES = ("rangeSeconds", "inlineSeconds", "maxMemory", "resources")
"""Values of the chart that tests set for themselves, and whose defaults are measured here."""
CHART = Path(__file__).parents[2] / "charts" / "mosaic-operator" / "values.yaml"
COMPONENTS = ("kube-apiserver", "etcd", "kubelet", "containerd", "kube-controller", "kube-scheduler")
"""Programs of the control plane and the node, as the kernel names them."""


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


@dataclass(frozen=True)
class Cost:
    """What the operator and the cluster have used since their start.

    Attributes:
        memory: of the operator, MiB.
        calls: of the operator to the API server, by verb and resource, without those for its Lease.
        seconds: processor seconds, by component; only the operator's in a cluster on other machines.
    """

    memory: float
    calls: Counter[str]
    seconds: dict[str, float]

    def since(self, before: "Cost", requests: int) -> str:
        """The processor seconds of each request, as a sentence."""
        each = {name: (self.seconds[name] - before.seconds[name]) / requests for name in self.seconds}
        return ", ".join(f"{name} {seconds:.2f}" for name, seconds in each.items())


def cost(release: Release) -> Cost:
    """What the operator and the cluster have used."""
    (pod,) = release.operator_pods()
    text = release.cluster.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{release.namespace}/pods/{pod}:8080/proxy/metrics"
    )
    counted = re.findall(r'^mosaic_api_calls_total\{resource="(.*?)",verb="(.*?)"\} (\S+)', text, re.MULTILINE)
    calls = Counter(
        {f"{verb} {resource}": int(float(count)) for resource, verb, count in counted if resource != "leases"}
    )
    memory, seconds = (
        float(re.search(rf"^process_{name} (\S+)", text, re.MULTILINE)[1])
        for name in ("resident_memory_bytes", "cpu_seconds_total")
    )
    return Cost(memory / 2**20, calls, {"operator": seconds} | components())


def components() -> dict[str, float]:
    """Processor seconds of the parts of Kubernetes on this machine."""
    found: dict[str, float] = defaultdict(float)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            component = next((each for each in COMPONENTS if name.startswith(each[:15])), None)
            if component is not None:
                user, system = rest.split()[11:13]
                found[component] += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return found


def single(release: Release, watcher: Watcher, name: str, spec: dict[str, Any], alone: float) -> None:
    """Time one request."""
    before = cost(release)
    applied = time.time()
    release.submit(name, spec)
    watcher.wait([name])
    seen = {what: f"{when - applied:.1f}" for what, when in watcher.seen[name].items()}
    after = cost(release)
    print(
        f"| {name} | {seen.get('Running', '-')} | {seen.get('Finalizing', '-')} | {seen['Succeeded']} | {alone:.1f} "
        f"| {(after.calls - before.calls).total()} | {after.seconds['operator'] - before.seconds['operator']:.2f} |",
        flush=True,
    )


def change_settings(release: Release, worker: dict[str, Any]) -> None:
    """Change values of the chart for workers, and wait until only the new operator runs."""
    release.upgrade({"worker": worker} | NOT_SHARED)
    until(lambda: len(release.operator_pods()) == 1, "the old operator is gone")


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
        defaults = yaml.safe_load(CHART.read_text())["worker"]
        sizes = {name: defaults[name] for name in SIZES}
        release.install({"worker": sizes} | NOT_SHARED)
        watcher = Watcher(release.namespace)
        bands = {band: {"href": f"http://{address}/pair/{band}.jp2", "nodata": 0} for band in ("green", "swir16")}
        large = {"source": {"files": {"scenes": [{"bands": bands}]}}, "product": {"index": "NDSI"}}
        small = {
            "source": {"files": {"scenes": [{"bands": {"green": f"http://{address}/small.tif"}}]}},
            "product": {"bands": ["green"]},
        }
        print("Seconds from kubectl apply; `mosaic run` is the same request on this machine without Kubernetes.\n")
        print("| request | Running | Finalizing | Succeeded | mosaic run | API calls | operator core s |")
        print("|---|---|---|---|---|---|---|")
        alone = on_one_machine(small)
        for number in range(SMALL_RUNS):
            single(release, watcher, f"small-{number}", small, alone)
        large |= {"execution": {"parallelism": 2}}
        alone = on_one_machine(large)
        single(release, watcher, "ndsi-pair", large, alone)
        change_settings(release, sizes | {"inlineSeconds": 0})
        single(release, watcher, "ndsi-pair-in-several-pods", large, alone)
        change_settings(release, sizes)
        before, started = cost(release), time.time()
        names = [f"crowd-{number}" for number in range(CROWD)]
        release.submit_all(names, small)
        applied = time.time() - started
        watcher.wait(names)
        taken, after = time.time() - started, cost(release)
        calls = after.calls - before.calls
        print(
            f"\n{CROWD} small requests: applied in {applied:.0f} s, published after {taken:.0f} s "
            f"({60 * CROWD / taken:.0f} a minute); memory of the operator {before.memory:.0f} MiB before, "
            f"{after.memory:.0f} MiB after. Processor seconds a request: {after.since(before, CROWD)}. "
            f"API calls a request: {calls.total() / CROWD:.1f}: "
            + ", ".join(f"{what} {count / CROWD:.1f}" for what, count in calls.most_common())
        )
        cluster.kubectl("delete", "namespace", release.namespace, "--wait=false")


if __name__ == "__main__":
    main()
