"""The report: a table of the goals, and a table for each work."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import rasterio

from bench.measure import Run, Runs
from bench.work import FASTEST, OURS, Goal, Measure, Work


@dataclass
class Measured:
    """Results for one work.

    Attributes:
        work: The work.
        runs: The runs of each command; ours first.
        missing: The reasons for missing peers.
        phases: Core-seconds of our steps.
    """

    work: Work
    runs: dict[str, list[Run]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)

    def of(self, name: str) -> Runs | None:
        """The runs of a command, or of the fastest peer; None if it was not measured."""
        if name == FASTEST:
            name = self.fastest_peer or FASTEST
        return Runs(tuple(self.runs[name])) if name in self.runs else None

    @property
    def fastest_peer(self) -> str | None:
        """The name of the fastest other tool."""
        tools = [peer.name for peer in self.work.peers if peer.tolerance is not None and peer.name in self.runs]
        return min(tools, key=lambda name: Runs(tuple(self.runs[name])).median, default=None)


def machine() -> str:
    """The machine that runs the benchmark."""
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {len(os.sched_getaffinity(0))} cores, Python "
        f"{platform.python_version()}, GDAL {rasterio.__gdal_version__}. Ours is the whole command `mosaic run`, from "
        "start to end, imports included; core s is the processor time of all its processes; memory is the peak of the "
        "command's own process and of its largest other one."
    )


def summary(results: Sequence[Measured]) -> str:
    """A Markdown table with a row for each goal, and one for the fastest peer of each work."""
    lines = [
        "### Goals",
        "",
        "| work | ours | compared with | its | ratio | ratio of core s | goal | reached |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        goals: list[Goal | None] = [*result.work.goals]
        against = {result.fastest_peer if goal.against == FASTEST else goal.against for goal in result.work.goals}
        if result.fastest_peer not in {None, *against}:
            goals.append(None)
        lines += ["| " + " | ".join(row) + " |" for goal in goals for row in _goal_rows(result, goal)]
    return "\n".join([*lines, ""])


def _goal_rows(result: Measured, goal: Goal | None) -> Iterable[list[str]]:
    """The cells of a goal, or of the fastest peer without a goal; no row if the other side was not measured."""
    ours = result.of(OURS)
    assert ours is not None
    label = f"{result.work.letter}. {result.work.title}"
    if goal and goal.measure is Measure.SECONDS:
        yield [label, f"{ours.median:.2f} s", "", "", "", "", goal.text, _yes(goal.reached(ours.median))]
        return
    name = goal.against if goal and goal.against != FASTEST else result.fastest_peer
    theirs = result.of(name or FASTEST)
    if theirs is None:
        return
    measure = goal.measure if goal else Measure.TIMES_AS_FAST
    if measure is Measure.SHARE_OF_MEMORY:
        mine, its = f"{ours.memory:.0f} MiB", f"{theirs.memory:.0f} MiB"
        ratio, of_processor = ours.memory / theirs.memory, ""
    else:
        mine, its = f"{ours.median:.2f} s", f"{theirs.median:.2f} s"
        ratio, processor = theirs.median / ours.median, theirs.processor / ours.processor
        if measure is Measure.SHARE_OF_TIME:
            ratio, processor = 1 / ratio, 1 / processor
        of_processor = f"{processor:.2f}"
    wanted = [goal.text, _yes(goal.reached(ratio))] if goal else ["", ""]
    yield [label, mine, str(name), its, f"{ratio:.2f}", of_processor, *wanted]


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


def table(result: Measured) -> str:
    """A Markdown table with a row for each command, then the core-seconds of our steps."""
    ours = result.of(OURS)
    assert ours is not None
    served = result.work.log is not None
    lines = [
        f"### {result.work.letter}. {result.work.title}",
        "",
        "| | minimum s | median s | of ours | core s | memory MiB, own / other |" + " requests | MiB |" * served,
        "|---|---|---|---|---|---|" + "---|---|" * served,
    ]
    for name, runs in ((name, Runs(tuple(runs))) for name, runs in result.runs.items()):
        lines.append(
            f"| {name} | {runs.fastest:.2f} | {runs.median:.2f} | {runs.median / ours.median:.2f} "
            f"| {runs.processor:.2f} | {runs.own_memory:.0f} / {runs.other_memory:.0f} |"
            + (f" {runs.requests:.0f} | {runs.size:.1f} |" if served else "")
        )
    lines += ["", *result.missing] if result.missing else []
    if result.phases:
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in result.phases.items())
        lines += ["", f"Core-seconds by step, in one process: {parts}."]
    return "\n".join([*lines, ""])
