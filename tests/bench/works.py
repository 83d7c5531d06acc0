"""All works of the benchmark, in the order of the report."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from bench import ndsi_works, served_works, stack_works
from bench.work import Work

Opened = Callable[[Path], AbstractContextManager[Work]]
"""Starts the servers of a work, if it has any, with a folder for their files."""


def _local(work: Work) -> Opened:
    return lambda _: nullcontext(work)


WORKS: list[tuple[str, Opened]] = [
    ("A", _local(ndsi_works.JPEG_2000)),
    ("B", _local(ndsi_works.COGS)),
    ("C", _local(stack_works.MEDIAN)),
    ("D", _local(ndsi_works.LARGE)),
    ("E", _local(ndsi_works.SMALL)),
    ("F", _local(ndsi_works.HALF)),
    ("G", served_works.served_median),
    ("H", _local(stack_works.CUBIC)),
    ("H", _local(stack_works.AVERAGED)),
    ("I", _local(stack_works.CLOUDY_LATEST)),
    ("I", _local(stack_works.CLOUDY_MEDIAN)),
    ("I", _local(stack_works.CLOUDY_ENOUGH)),
    ("I", served_works.served_latest),
    ("I", served_works.served_enough),
]
"""The letter of each work, and how to open it. Work J is in `concurrent_requests`."""
