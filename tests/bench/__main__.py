"""`make bench`: time and memory of each work, compared with other tools in the same run.

Machines differ, and their speed changes over time, so only the ratio matters. Commands take turns, and the pixels of a
peer are checked before its time is used.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import rasterio

from bench import catalogue
from bench.measure import Run, Runs, run_once
from bench.phases import phases
from bench.works import MOSAIC, PEERS_PYTHON, WORKS, Peer, Work, assert_same, our_mosaic, write_request

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "performance.md"
MARK = "<!-- what follows is written by make bench WRITE=1 -->\n"


@dataclass
class Measured:
    """Results for one work: our runs, the runs of each peer, the reasons for missing peers, and our phases."""

    work: Work
    ours: list[Run] = field(default_factory=list)
    peers: dict[str, list[Run]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure, print the tables, and write them if `--write` is given."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--works", default="ABCDEFG", help="letters of the works to measure")
    parser.add_argument("--runs", type=int, default=3, help="of each command")
    parser.add_argument("--write", action="store_true", help=f"into {REPORT.relative_to(ROOT)}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        tables = [
            table(measure(work, min(options.runs, work.runs), Path(folder)))
            for work in WORKS
            if work.letter in options.works
        ]
        if "G" in options.works and PEERS_PYTHON.exists():
            print(catalogue.TITLE, file=sys.stderr)
            tables.append(catalogue.report(MOSAIC, options.runs, Path(folder), _environment()))
    text = "\n".join(tables)
    print(machine() + "\n\n" + text)
    if options.write:
        REPORT.write_text(REPORT.read_text().split(MARK)[0] + MARK + "\n" + machine() + "\n\n" + text)


def measure(work: Work, runs: int, folder: Path) -> Measured:
    """Run our command and those of the peers in turn; the first turn only warms the disk cache."""
    result = Measured(work)
    print(f"{work.letter}: {work.title}", file=sys.stderr)
    request = write_request(f"bench-{work.letter.lower()}", work.request(), folder / "request.yaml")
    peers = []
    for peer in work.peers:
        if peer.missing:
            result.missing.append(f"{peer.name} was not measured: {peer.needs} is not on this machine")
        else:
            peers.append(peer)
    for turn in range(runs if runs == 1 else runs + 1):
        counts = turn > 0 or runs == 1
        store = folder / "ours"
        shutil.rmtree(store, ignore_errors=True)
        ours = run_once([MOSAIC, "run", request, "--store", store], _environment(), folder / "log")
        if counts:
            result.ours.append(ours)
        for peer in peers:
            run = _run_peer(peer, store, folder)
            if counts:
                result.peers.setdefault(peer.name, []).append(run)
    shutil.rmtree(store)
    if runs > 1:
        result.phases = phases(request, store)
        shutil.rmtree(store)
    return result


def _run_peer(peer: Peer, store: Path, folder: Path) -> Run:
    out = folder / "peer"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    run = run_once(peer.command(our_mosaic(store), out), _environment(), folder / "log")
    if peer.tolerance is not None:
        assert_same(our_mosaic(store), out / "mosaic.tif", peer.tolerance)
    shutil.rmtree(out)
    return run


def _environment() -> dict[str, str]:
    """The environment without BLAS settings of this machine, which slow numpy down."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}


def machine() -> str:
    """The machine that runs the benchmark."""
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {len(os.sched_getaffinity(0))} cores, Python "
        f"{platform.python_version()}, GDAL {rasterio.__gdal_version__}. Ours is the whole command `mosaic run`, from "
        "start to end, imports included; memory is the peak of the command's own process and of its largest other one."
    )


def table(result: Measured) -> str:
    """A Markdown table with a row for each command, then the share of our phases."""
    ours = Runs(tuple(result.ours))
    lines = [
        f"### {result.work.letter}. {result.work.title}",
        "",
        "| | minimum s | median s | of ours | memory MiB, own / other |",
        "|---|---|---|---|---|",
        _row("mosaic run", ours, ours),
    ]
    lines += [_row(name, Runs(tuple(runs)), ours) for name, runs in result.peers.items()]
    lines += ["", *result.missing] if result.missing else []
    if result.phases:
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in result.phases.items())
        lines += ["", f"Seconds of one process: {parts}."]
    return "\n".join([*lines, ""])


def _row(name: str, runs: Runs, ours: Runs) -> str:
    memory = f"{runs.own_memory:.0f} / {runs.other_memory:.0f}"
    return f"| {name} | {runs.fastest:.2f} | {runs.median:.2f} | {runs.median / ours.median:.2f} | {memory} |"


if __name__ == "__main__":
    main()
