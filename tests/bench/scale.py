"""`make bench-scale`: the operator with many requests, on an API server without nodes, whose pods succeed immediately.

It measures the operator and the API server, not pods. The programs are those of the test cluster (`lab build`).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mosaic_crds.names import API_VERSION, GROUP, KIND, LABEL_FINISHED, PLURAL, VERSION
from mosaic_crds.status import MOST_RANGES
from mosaic_crds.worker_pod import Step
from mosaic_operator.kube import PAGE

from support.cluster.control_plane import CACHE, ControlPlane
from support.cluster.played_nodes import PlayedNodes, plain_session
from support.ports import free_port

NAMESPACE = "scale"
REQUESTS = f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}"
CREATORS = 8
LARGE = "large"
LONGEST = "A warning of the plan that is as long as warnings of real plans often are, with names of scenes. " * 2
SPEC = {
    "source": {"files": {"scenes": [{"bands": {"green": "https://example.org/green.tif"}}]}},
    "product": {"bands": ["green"]},
}
Metrics = dict[str, float]


def answer(tiles: int) -> Callable[[Step, dict[str, Any]], dict[str, Any]]:
    """The answers of pods; the request LARGE has this many tiles, and all others four."""

    def found(step: Step, pod: dict[str, Any]) -> dict[str, Any]:
        large = pod["name"].startswith(f"{LARGE}-")
        if step is Step.PLAN:
            count = tiles if large else 4
            summary = {
                "tiles": count, "ranges": min(MOST_RANGES, count), "scenes": 500 if large else 1,
                "megapixels": 4.2 * count, "estimatedCoreSeconds": count, "estimatedBytes": 10**7 * count,
            }  # fmt: skip
            return summary | {"warnings": [LONGEST] * 14 if large else []}
        if step is Step.FINALIZE:
            place = f"file:///store/mosaics/{NAMESPACE}/{pod['name']}"
            statistics = {"validPercent": 100.0, "outOfRange": 0, "minimum": 0.0, "maximum": 1.0, "mean": 0.5}
            result = {"item": f"{place}/mosaic.json", "cog": f"{place}/mosaic.tif", "bounds": [0, 0, 1, 1]}
            return result | {"pixels": 10**6, "statistics": statistics} | ({"notes": [LONGEST] * 9} if large else {})
        return {"range": 0, "tiles": 1}

    return found


class Operator:
    """A running operator with default settings, but all requests that may run can be of one namespace."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self._port = free_port()
        self.started = time.monotonic()
        self.process = plane.start(
            name, sys.executable, "-m", "mosaic_operator",
            KUBECONFIG=str(plane.kubeconfig), MOSAIC_NAMESPACES=NAMESPACE, POD_NAMESPACE=NAMESPACE, POD_NAME=name,
            MOSAIC_LEASE=name, MOSAIC_STORE="file:///store", MOSAIC_ALLOWED_HOSTS="example.org",
            MOSAIC_MAX_RUNNING_PER_NAMESPACE="32", MOSAIC_WORKER_POD=json.dumps({"image": "worker:1"}),
            MOSAIC_PORT=str(self._port),
        )  # fmt: skip

    def metrics(self) -> Metrics:
        """Its metrics, by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=60) as page:
            lines = re.findall(r"^(\w\S*) (\S+)$", page.read().decode(), re.MULTILINE)
        return {name: float(value) for name, value in lines}

    def serves(self) -> bool:
        """Whether it serves its metrics."""
        try:
            return bool(self.metrics())
        except urllib.error.URLError:
            return False

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


@contextmanager
def operator(plane: ControlPlane, name: str) -> Iterator[Operator]:
    """An operator that runs in the block."""
    running = Operator(plane, name)
    try:
        yield running
    finally:
        running.stop()


class Bench:
    """Requests on a control plane."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane, self.session = plane, plain_session(plane)

    def get(self, path: str, **parameters: Any) -> Any:
        """An object or a list."""
        found = self.session.get(f"{self.plane.server}{path}", params=parameters)
        found.raise_for_status()
        return found.json()

    def submit(self, *names: str, **execution: Any) -> None:
        """Create requests."""

        def create(name: str) -> None:
            request = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
            request["spec"] = SPEC | {"execution": execution}
            self.session.post(f"{self.plane.server}{REQUESTS}", json=request).raise_for_status()

        with ThreadPoolExecutor(CREATORS) as threads:
            list(threads.map(create, names))

    def wait_for(self, name: str, *phases: str) -> None:
        """Wait until a request is in a phase."""
        wait(lambda: self.get(f"{REQUESTS}/{name}").get("status", {}).get("phase") in phases)

    def unfinished(self) -> int:
        """The number of requests without the label of finished ones."""
        return len(self.get(REQUESTS, labelSelector=f"!{LABEL_FINISHED}")["items"])


def wait(happened: Callable[[], bool], seconds: float = 3600) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            sys.exit("not over in time")
        time.sleep(0.1)


def calls(metrics: Metrics) -> float:
    """Calls to the API server, without those for the Lease."""
    return sum(n for name, n in metrics.items() if name.startswith("mosaic_api_calls_total") and "leases" not in name)


def quantile(before: Metrics, after: Metrics, share: float) -> str:
    """The bucket in which a share of the reconciliations ended."""
    found = re.compile(r'mosaic_reconcile_duration_seconds_bucket\{le="(.*)"\}')
    buckets = {
        float(m[1]): after[name] - before.get(name, 0) for name in after if (m := found.fullmatch(name)) is not None
    }
    total = max(buckets.values())
    return f"{1000 * min(limit for limit, count in buckets.items() if count >= share * total):.0f} ms"


def cost(before: Metrics, after: Metrics, requests: int) -> str:
    """What the operator did between two looks at its metrics."""
    seconds = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    return (
        f"{(calls(after) - calls(before)) / requests:.1f} API calls and {seconds / requests:.3f} core-seconds of the "
        f"operator a request, reconciliation p50 below {quantile(before, after, 0.5)}, p95 below "
        f"{quantile(before, after, 0.95)}, memory {after['process_resident_memory_bytes'] / 2**20:.0f} MiB"
    )


def report(text: str) -> None:
    """Print a line of the report."""
    print(f"- {text}.", flush=True)


def one_large(bench: Bench, running: Operator, tiles: int) -> None:
    """One request of many tiles: time, calls, and the sizes of its objects."""
    before, started = running.metrics(), time.monotonic()
    bench.submit(LARGE, parallelism=64)
    bench.wait_for(LARGE, "Succeeded", "Failed")
    taken, after = time.monotonic() - started, running.metrics()
    request = bench.get(f"{REQUESTS}/{LARGE}")
    job = bench.get(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{LARGE}-tiles")
    sizes = {what: len(json.dumps(each)) for what, each in (("request", request), ("its status", request["status"]),
                                                            ("Job", job))}  # fmt: skip
    listed = ", ".join(f"{what} {size / 1000:.1f} kB" for what, size in sizes.items())
    pods = job["status"]["succeeded"]
    report(f"one request of {tiles:,} tiles ({request['status']['phase']}, {pods} pods of tiles): {taken:.0f} s; "
           f"{cost(before, after, 1)}; JSON of {listed}")  # fmt: skip


def many_at_once(bench: Bench, running: Operator, count: int) -> None:
    """Many small requests at once."""
    before, started = running.metrics(), time.monotonic()
    bench.submit(*[f"crowd-{number:05}" for number in range(count)])
    created = time.monotonic() - started
    wait(lambda: bench.unfinished() == 0)
    taken = time.monotonic() - started
    report(f"{count:,} requests at once: created in {created:.0f} s, finished after {taken:.0f} s "
           f"({60 * count / taken:.0f} a minute); {cost(before, running.metrics(), count)}")  # fmt: skip


def wait_for_cache(bench: Bench) -> None:
    """Wait until the watch cache of the API server has all requests: they were not written through it."""
    newest = bench.get(REQUESTS, limit=1)["metadata"]["resourceVersion"]
    nothing = {"labelSelector": f"!{LABEL_FINISHED}", "resourceVersion": newest}
    wait(lambda: bench.session.get(f"{bench.plane.server}{REQUESTS}", params=nothing).ok)


def start_up(bench: Bench, name: str, finished: int) -> None:
    """The start of an operator, and a request after it."""
    bench.submit(f"first-{name}")
    with operator(bench.plane, name) as running:
        bench.wait_for(f"first-{name}", "Planning", "Running", "Finalizing", "Succeeded")
        ready = time.monotonic() - running.started
        bench.wait_for(f"first-{name}", "Succeeded")
        metrics = running.metrics()
        report(f"start with {finished:,} finished requests: {ready:.1f} s until it handles a request, "
               f"{metrics['process_cpu_seconds_total']:.1f} core-seconds, {calls(metrics):.0f} API calls, memory "
               f"{metrics['process_resident_memory_bytes'] / 2**20:.0f} MiB")  # fmt: skip


def lists(bench: Bench) -> None:
    """Lists of all requests in pages."""
    started, pages, largest, token = time.monotonic(), 0, 0, ""
    while pages == 0 or token:
        answer = bench.session.get(f"{bench.plane.server}{REQUESTS}", params={"limit": PAGE, "continue": token})
        page = answer.json()  # the error of an expired token has the next one
        pages, token = pages + answer.ok, page["metadata"].get("continue", "")
        largest = max(largest, len(answer.content))
    report(f"a list of all requests: {pages:,} pages of {PAGE}, the largest {largest / 1000:.0f} kB, "
           f"{time.monotonic() - started:.0f} s")  # fmt: skip
    started = time.monotonic()
    bench.get(REQUESTS, labelSelector=f"!{LABEL_FINISHED}", limit=PAGE)
    report(f"a list of the unfinished ones among them: {time.monotonic() - started:.1f} s")


def main() -> None:
    """Measure, and print the report."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="small requests at once")
    parser.add_argument("--tiles", type=int, default=1_000_000, help="of the large request")
    parser.add_argument("--finished", type=int, default=100_000, help="finished requests")
    options = parser.parse_args()
    if not (CACHE / "bin" / "kube-apiserver").exists():
        sys.exit("there is no API server; run tests/cluster/lab/lab build")
    with tempfile.TemporaryDirectory(prefix="mosaic-scale-") as folder, ControlPlane(Path(folder)) as plane:
        plane.kubectl("apply", "--server-side", "--filename", Path("crds/mosaicrequest.yaml").resolve())
        plane.kubectl("create", "namespace", NAMESPACE)
        nodes, bench = PlayedNodes(plane, NAMESPACE, answer(options.tiles)), Bench(plane)
        start_up(bench, "empty", 0)
        with operator(plane, "operator") as running:
            wait(running.serves)
            one_large(bench, running, options.tiles)
            many_at_once(bench, running, options.requests)
        started = time.monotonic()
        plane.clone(f"{GROUP}/{PLURAL}/{NAMESPACE}/crowd-00000", options.finished)
        written = time.monotonic() - started
        wait_for_cache(bench)
        report(f"{options.finished:,} finished requests written to etcd in {written:.0f} s, and in the watch cache of "
               f"the API server after {time.monotonic() - started:.0f} s")  # fmt: skip
        start_up(bench, "full", options.finished + options.requests)
        lists(bench)
        memory = {name: _resident(process) for name, process in plane.processes.items() if process.poll() is None}
        report("memory at the end: " + ", ".join(f"{name} {size:.0f} MiB" for name, size in memory.items()))
        if nodes.failure:
            raise nodes.failure


def _resident(process: subprocess.Popen[bytes]) -> float:
    """The memory of a process, MiB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
