"""`make bench`: time and memory of each work, compared with other tools in the same run.

Machines differ, and their speed changes over time, so only the ratio matters. Commands take turns, and the pixels of a
peer are checked before its time is used.
"""

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench import concurrent_requests
from bench.compare import assert_same
from bench.measure import Run, run_once
from bench.phases import phases
from bench.report import Measured, machine, summary, table
from bench.work import MOSAIC, OURS, Peer, Work, our_mosaic, write_request
from bench.works import WORKS

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "performance.md"
UNSET = ("OPENBLAS", "PYTHONDONTWRITEBYTECODE")
"""Starts of the names of variables that commands do not get: all tools have their default threads and compiled code."""
MARK = "<!-- what follows is written by make bench WRITE=1 -->\n"


def main() -> None:
    """Measure, print the tables, and write them if `--write` is given."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--works", default="ABCDEFGHIJ", help="letters of the works to measure")
    parser.add_argument("--runs", type=int, default=3, help="of each command")
    parser.add_argument("--write", action="store_true", help=f"into {REPORT.relative_to(ROOT)}")
    options = parser.parse_args()
    results, tables = [], []
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=os.environ.get("BENCH_FOLDER")) as name:
        folder = Path(name)
        folder.chmod(0o755)  # root's PostgreSQL runs as another user
        for letter, opened in WORKS:
            if letter in options.works:
                with opened(folder) as work:
                    results.append(measure(work, min(options.runs, work.runs), folder))
                tables.append(table(results[-1]))
        if "J" in options.works:
            print(concurrent_requests.TITLE, file=sys.stderr)
            concurrent = concurrent_requests.measure(options.runs, folder)
            results.append(concurrent.result)
            tables.append(concurrent.table)
    text = "\n".join([machine(), "", summary(results), *tables])
    print(text)
    if options.write:
        REPORT.write_text(REPORT.read_text().split(MARK)[0] + MARK + "\n" + text)


def measure(work: Work, runs: int, folder: Path) -> Measured:
    """Run our command and those of the peers in turn; the first turn only warms the disk cache."""
    result = Measured(work)
    print(f"{work.letter}: {work.title}", file=sys.stderr)
    request = write_request(f"bench-{work.letter.lower()}", work.request(), folder / "request.yaml")
    peers = [peer for peer in work.peers if not peer.missing]
    result.missing = [f"{peer.name} was not measured: {peer.needs} is missing." for peer in work.peers if peer.missing]
    store = folder / "ours"
    for turn in range(runs if runs == 1 else runs + 1):
        counts = turn > 0 or runs == 1
        shutil.rmtree(store, ignore_errors=True)
        ours = _counted(work, [MOSAIC, "run", request, "--store", store], folder)
        if counts:
            result.runs.setdefault(OURS, []).append(ours)
        for peer in peers:
            run = _run_peer(work, peer, store, folder)
            if counts:
                result.runs.setdefault(peer.name, []).append(run)
    shutil.rmtree(store)
    if work.log is None and work.runs > 1:
        result.phases = phases(request, store)
        shutil.rmtree(store)
    return result


def _run_peer(work: Work, peer: Peer, store: Path, folder: Path) -> Run:
    out = folder / "peer"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    run = _counted(work, peer.command(our_mosaic(store), out), folder)
    if peer.tolerance is not None:
        assert_same(our_mosaic(store), out / "mosaic.tif", peer.tolerance)
    shutil.rmtree(out)
    return run


def _counted(work: Work, command: list[str | Path], folder: Path) -> Run:
    """Run a command, and count its requests to the server of the scenes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(UNSET)}
    if work.log is None:
        return run_once(command, environment, folder / "log")
    work.log.requests.clear()
    run = run_once(command, environment, folder / "log")
    return replace(run, requests=len(work.log.requests), size=work.log.bytes / 2**20)


if __name__ == "__main__":
    main()
