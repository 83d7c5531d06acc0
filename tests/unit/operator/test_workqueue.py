"""The line of requests that want attention."""

import asyncio

from mosaic_operator.workqueue import WorkQueue


def worked_off(scenario) -> list[str]:
    """The keys that came to work while a scenario ran, `<` where one begins and `>` where it ends."""
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

    done = worked_off(scenario)
    assert [step for step in done if "a" in step] == ["<a", "a>", "<a", "a>"]
    assert done[:2] == ["<a", "<b"]


def test_of_several_times_the_earliest_counts():
    async def scenario(queue, gate):
        gate.set()
        queue.add_later("a", 3600)
        queue.add_later("a", 0.01)
        queue.add_later("a", 3600)
        await asyncio.sleep(0.05)

    assert worked_off(scenario) == ["<a", "a>"]


def test_a_key_that_is_due_now_drops_its_later_time():
    async def scenario(queue, gate):
        gate.set()
        queue.add_later("a", 0.02)
        queue.add("a")
        await asyncio.sleep(0.06)

    assert worked_off(scenario) == ["<a", "a>"]
