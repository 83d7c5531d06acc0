"""Worker processes are replaced when they die or hang, and end when one raises an error."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from mosaic_crds.errors import PassingError, RequestError
from mosaic_worker.local.processes import next_range, run_ranges


@dataclass(frozen=True)
class Script:
    """Work with a prescribed behaviour for each range; each attempt leaves a file, so that tests can count them."""

    folder: Path
    kills: tuple[int, ...] = ()
    hangs: tuple[int, ...] = ()
    fails: tuple[int, ...] = ()
    always_dies: bool = False

    def __call__(self, index: int, report: Callable[[int], None]) -> None:
        attempt = len(list(self.folder.glob(f"{index}-*")))
        (self.folder / f"{index}-{attempt}").write_text(str(os.getpid()))
        if index in self.kills and (self.always_dies or attempt == 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if index in self.hangs and attempt == 0:
            signal.pause()
        if index in self.fails:
            raise RequestError(f"range {index} cannot work")
        report(index * 10)
        report(index * 10 + 1)


def attempts(folder: Path) -> dict[int, int]:
    found: dict[int, int] = {}
    for file in folder.iterdir():
        index = int(file.name.split("-")[0])
        found[index] = found.get(index, 0) + 1
    return found


def run(script: Script, ranges=range(6), processes=2, tries=3, seconds=60.0) -> list[int]:
    reported: list[int] = []
    run_ranges(list(ranges), script, processes, attempts=tries, seconds_per_range=seconds, on_tile=reported.append)
    return reported


def test_processes_every_range_once_and_reports_every_tile(tmp_path):
    reported = run(Script(tmp_path))
    assert sorted(reported) == sorted(tile for index in range(6) for tile in (index * 10, index * 10 + 1))
    assert attempts(tmp_path) == dict.fromkeys(range(6), 1)


def test_reuses_processes_for_several_ranges(tmp_path):
    run(Script(tmp_path), processes=2)
    assert len({file.read_text() for file in tmp_path.iterdir()}) <= 2


def test_replaces_a_killed_process_and_repeats_its_range(tmp_path):
    reported = run(Script(tmp_path, kills=(1, 4)))
    assert sorted(set(reported)) == sorted(tile for index in range(6) for tile in (index * 10, index * 10 + 1))
    assert attempts(tmp_path) == {0: 1, 1: 2, 2: 1, 3: 1, 4: 2, 5: 1}


def test_kills_a_stuck_process_and_repeats_its_range(tmp_path):
    run(Script(tmp_path, hangs=(2,)), seconds=5, tries=5)  # on a busy machine, the start of a process counts, too
    assert attempts(tmp_path)[2] >= 2


def test_gives_up_a_range_that_always_loses_its_process(tmp_path):
    with pytest.raises(PassingError, match=r"range 3 lost its worker process 3 times \(ended with code -9\)"):
        run(Script(tmp_path, kills=(3,), always_dies=True))
    assert attempts(tmp_path)[3] == 3


def test_the_first_error_ends_all_processes(tmp_path):
    with pytest.raises(RequestError, match="range 0 cannot work"):
        run(Script(tmp_path, fails=(0,), hangs=(1,)))


def test_starts_no_process_without_work(tmp_path):
    assert run(Script(tmp_path), ranges=[], processes=0) == []


def test_a_process_continues_with_the_neighbour_of_its_last_range():
    assert next_range({3, 4, 8}, busy={7}, last=2) == 3


def test_the_first_process_starts_at_the_beginning_and_the_second_in_the_middle():
    assert next_range(set(range(8)), busy=set(), last=None) == 0
    assert next_range(set(range(1, 8)), busy={0}, last=None) == 4


def test_a_process_without_a_neighbour_starts_away_from_other_processes():
    assert next_range({2, 5, 6, 7}, busy={1}, last=0) == 5
    assert next_range({2, 3, 4, 5, 6}, busy={1}, last=9) == 4
