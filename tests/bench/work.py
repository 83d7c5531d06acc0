"""What a work of the benchmark is: a request, peers that make the same pixels, and goals."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import rasterio
import yaml
from mosaic_crds.names import API_VERSION

from support.servers.range_server import RequestLog

PEERS = Path(__file__).parent / "peers"
MOSAIC = Path(sys.executable).parent / "mosaic"
PEERS_PYTHON = PEERS.parents[2] / ".venv-bench" / "bin" / "python"
OURS = "mosaic run"
FASTEST = "the fastest peer"


@dataclass(frozen=True)
class Peer:
    """Another tool that makes the same pixels, or a variant of our own command.

    Attributes:
        name: Name in the table.
        command: Function that returns its arguments, from our own result and the folder for the peer's.
        needs: Required program or file.
        tolerance: Maximum difference of half of the pixels; None for what is not a tool that makes these pixels.
    """

    name: str
    command: Callable[[Path, Path], Sequence[str | Path]]
    needs: str | Path
    tolerance: float | None = 1e-6

    @property
    def missing(self) -> bool:
        """Whether this peer cannot run here."""
        return not Path(self.needs).exists() if isinstance(self.needs, Path) else shutil.which(self.needs) is None


class Measure(Enum):
    """What a goal limits; the values are the texts in the table."""

    TIMES_AS_FAST = "at least {} x as fast"
    SHARE_OF_TIME = "at most {} x its time"
    SHARE_OF_MEMORY = "at most {} x its memory"
    SECONDS = "at most {} s"


@dataclass(frozen=True)
class Goal:
    """A limit of our time or memory, compared with another row of the table, or FASTEST; None for seconds."""

    measure: Measure
    limit: float
    against: str | None = FASTEST

    @property
    def text(self) -> str:
        return self.measure.value.format(f"{self.limit:g}")

    def reached(self, value: float) -> bool:
        return value >= self.limit if self.measure is Measure.TIMES_AS_FAST else value <= self.limit


@dataclass(frozen=True)
class Work:
    """A task that is timed.

    Attributes:
        letter: Letter in the table, which selects the work.
        title: Title in the table.
        request: Function that returns the spec of our MosaicRequest, and makes missing scenes.
        peers: Other tools for this task.
        goals: Goals of the project.
        runs: Maximum number of runs.
        log: Requests to the server of the scenes, if they are remote.
    """

    letter: str
    title: str
    request: Callable[[], dict[str, Any]]
    peers: Sequence[Peer] = ()
    goals: Sequence[Goal] = ()
    runs: int = 100
    log: RequestLog | None = field(default=None, compare=False)


def faster(factor: float, than: str = FASTEST) -> Goal:
    """The goal to be as many times as fast as a peer."""
    return Goal(Measure.TIMES_AS_FAST, factor, than)


def write_request(name: str, spec: dict[str, Any], path: Path) -> Path:
    """Write a MosaicRequest, and return its path."""
    api = {"apiVersion": API_VERSION, "kind": "MosaicRequest"}
    path.write_text(yaml.safe_dump(api | {"metadata": {"name": name}, "spec": spec}))
    return path


def our_mosaic(store: Path) -> Path:
    """The COG of our run in a store."""
    return next(store.glob("mosaics/*/*/*/mosaic.tif"))


def grid_of(mosaic: Path) -> dict[str, Any]:
    """The grid of our mosaic, for a peer: CRS, transform, width and height."""
    with rasterio.open(mosaic) as dataset:
        return {
            "crs": dataset.crs.to_string(), "transform": list(dataset.transform)[:6],
            "width": dataset.width, "height": dataset.height,
        }  # fmt: skip
