"""The queue of requests to reconcile."""

import asyncio

from mosaic_operator.workqueue import WorkQueue


def processed_during(scenario) -> list[str]:
    """The keys that were processed during a scenario: `<` marks the start of one and `>` its end."""
    done: list[str] = []

    async def run() -> None:
        queue: WorkQueue[str] = WorkQueue()
        gate = asyncio.Event()

        async def work(key: str) -> None:
            done.append(f"<{key}")
            await gate.wait()
            done.append(f"{key}>")

        workers = [asyncio.create_task(queue.work(work)) for _ in range(2)]
        await scenario(queue, gate)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    asyncio.run(run())
    return done


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_key_is_processed_by_one_task_and_again_if_it_was_added_meanwhile():
    async def scenario(queue, gate):
        queue.add("a")
        await settle()
        queue.add("a")
        queue.add("a")
        queue.add("b")
        await settle()
        gate.set()
        await settle()

    done = processed_during(scenario)
    assert [step for step in done if "a" in step] == ["<a", "a>", "<a", "a>"]
    assert done[:2] == ["<a", "<b"]


def test_the_earliest_of_several_times_is_used():
    async def scenario(queue, gate):
        gate.set()
        queue.add_later("a", 3600)
        queue.add_later("a", 0.01)
        queue.add_later("a", 3600)
        await asyncio.sleep(0.05)

    assert processed_during(scenario) == ["<a", "a>"]


def test_a_key_that_is_due_now_drops_its_later_time():
    async def scenario(queue, gate):
        gate.set()
        queue.add_later("a", 0.02)
        queue.add("a")
        await asyncio.sleep(0.06)

    assert processed_during(scenario) == ["<a", "a>"]


def test_the_queue_measures_how_many_keys_wait_and_how_long():
    async def run() -> list[float]:
        waited: list[float] = []
        queue: WorkQueue[str] = WorkQueue(waited.append)
        for key in ("a", "b", "a"):
            queue.add(key)
        queue.add_later("c", 3600)
        assert len(queue) == 2

        async def work(_: str) -> None:
            await asyncio.Event().wait()

        worker = asyncio.create_task(queue.work(work))
        await settle()
        assert len(queue) == 1
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        return waited

    (seconds,) = asyncio.run(run())
    assert seconds >= 0
