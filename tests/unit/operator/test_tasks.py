"""A task of the operator that dies ends the process, and health checks work while the event loop is busy."""

import asyncio
import socket
import time
from functools import partial
from urllib.request import urlopen

import pytest
from mosaic_operator import health
from mosaic_operator.health import serving as serving_health
from mosaic_operator.metrics import Metrics
from mosaic_operator.tasks import together, until_stopped

from support.operator.operator_api import serving


@pytest.fixture
def port() -> int:
    """A free port."""
    with socket.socket() as held:
        held.bind(("", 0))
        return int(held.getsockname()[1])


def ipv6_works() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def forever() -> None:
    await asyncio.Event().wait()


async def failing() -> None:
    raise ValueError("an odd pod")


async def ending() -> None:
    pass


@pytest.mark.parametrize(("task", "message"), [(failing, "an odd pod"), (ending, "two ended")])
def test_a_task_that_ends_early_ends_all(task, message):
    async def run() -> None:
        await until_stopped(partial(together, forever, {"one": forever, "two": task}, asyncio.Event()), asyncio.Event())

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(asyncio.wait_for(run(), 10))
    assert [str(error) for error in raised.value.exceptions] == [message]


def test_a_watch_that_ends_early_ends_all():
    with pytest.raises(ExceptionGroup):
        asyncio.run(together(ending, {"one": forever}, asyncio.Event()))


def test_all_tasks_end_in_order_on_stop():
    async def run() -> None:
        stop = asyncio.Event()

        async def watching() -> None:
            await stop.wait()

        asyncio.get_running_loop().call_later(0.01, stop.set)
        await until_stopped(partial(together, watching, {"one": forever}, stop), stop)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_health_checks_work_while_the_event_loop_is_busy(monkeypatch, port):
    def answer(path: str, host: str = "127.0.0.1") -> str:
        with urlopen(f"http://{host}:{port}/{path}", timeout=10) as found:
            return str(found.read().decode())

    async def run() -> None:
        async with serving() as (_, cluster):
            with serving_health(cluster, Metrics().registry, port):
                assert answer("healthz") == "ok\n"  # blocks the event loop meanwhile
                assert answer("readyz") == "ok\n"
                assert not ipv6_works() or answer("readyz", "[::1]") == "ok\n"
                assert "process_resident_memory_bytes" in answer("metrics")
                monkeypatch.setattr(health, "STUCK_SECONDS", 0)
                time.sleep(0.01)
                with pytest.raises(OSError, match="503"):
                    answer("healthz")

    asyncio.run(run())


def test_a_port_in_use_is_reported_at_the_start(port):
    async def run() -> None:
        async with serving() as (_, cluster):
            with serving_health(cluster, Metrics().registry, port):
                with pytest.raises(OSError, match="address already in use"):
                    with serving_health(cluster, Metrics().registry, port):
                        pass

    asyncio.run(run())
