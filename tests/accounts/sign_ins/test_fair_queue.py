"""The queue for password hashes: fair between sources, and bounded."""

from __future__ import annotations

import asyncio

import pytest

from adsum.accounts.sign_ins.fair_queue import FairQueue
from adsum.platform.errors import Overloaded


class Work:
    """Callers of a queue, each of which runs until the test ends it."""

    def __init__(self, slots: int, max_waiting: int) -> None:
        self.queue = FairQueue(slots, max_waiting)
        self.running: list[str] = []
        self.began: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def start(self, *names: str) -> list[asyncio.Task[None]]:
        """Starts callers. The first character of a name is its source."""
        tasks = [asyncio.create_task(self.run(name)) for name in names]
        await settled()
        return tasks

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    async def run(self, name: str, *, has_place: bool = False) -> None:
        end = self._ends[name] = asyncio.Event()
        async with self.queue.turn(name[0], has_place=has_place):
            self.began.append(name)
            self.running.append(name)
            await end.wait()
            self.running.remove(name)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sources_are_served_in_turn() -> None:
    work = Work(slots=1, max_waiting=10)
    await work.start("a1", "a2", "a3", "a4", "b1", "c1", "b2")
    for name in ("a1", "a2", "b1", "c1", "a3", "b2", "a4"):
        assert work.running == [name]
        await work.end(name)
    await work.start("a5")
    assert work.running == ["a5"]


async def test_a_full_queue_refuses_the_newest_caller_of_the_longest_line() -> None:
    work = Work(slots=1, max_waiting=3)
    first, *waiting = await work.start("a1", "a2", "a3", "a4")
    (more,) = await work.start("a5")
    assert isinstance(more.exception(), Overloaded)

    (other,) = await work.start("b1")
    assert [task.done() for task in waiting] == [False, False, True]
    assert isinstance(waiting[2].exception(), Overloaded)
    (third,) = await work.start("c1")
    assert isinstance(waiting[1].exception(), Overloaded)
    (fourth,) = await work.start("d1")
    assert isinstance(fourth.exception(), Overloaded)

    for name in ("a1", "a2", "b1", "c1"):
        await work.end(name)
    assert work.began == ["a1", "a2", "b1", "c1"]
    assert all(task.done() and not task.exception() for task in (first, waiting[0], other, third))


async def test_a_caller_with_a_place_is_refused_only_for_those_of_its_own_source() -> None:
    work = Work(slots=1, max_waiting=2)
    _, second, third = await work.start("a1", "b1", "c1")
    placed = asyncio.create_task(work.run("d1", has_place=True))
    await settled()
    assert isinstance(second.exception(), Overloaded)
    more = asyncio.create_task(work.run("d2", has_place=True))
    await settled()
    assert isinstance(more.exception(), Overloaded)
    for name in ("a1", "c1", "d1"):
        await work.end(name)
    assert (placed.done(), third.done(), work.began) == (True, True, ["a1", "c1", "d1"])


async def test_a_caller_that_gives_up_loses_neither_a_place_nor_a_slot() -> None:
    work = Work(slots=1, max_waiting=2)
    async with work.queue.turn("a"):
        second, third = await work.start("a2", "b1")
        second.cancel()
        await settled()
        (fourth,) = await work.start("a3")
        assert not fourth.done()
    third.cancel()  # it has received the slot, and has not run yet
    await settled()
    assert work.running == ["a3"]


@pytest.mark.parametrize("is_refused_first", [True, False])
async def test_a_caller_that_gives_up_while_it_is_refused_frees_no_slot(is_refused_first: bool) -> None:
    work = Work(slots=1, max_waiting=2)
    _, second, last = await work.start("a1", "a2", "a3")
    loop = asyncio.get_running_loop()
    if not is_refused_first:
        loop.call_soon(last.cancel)
    starting = asyncio.create_task(work.start("b1"))
    loop.call_soon(loop.call_soon, last.cancel)
    (other,) = await starting
    assert (last.done(), second.done(), other.done()) == (True, False, False)
    assert work.running == ["a1"]
    await work.end("a1")
    assert work.running == ["a2"]


@pytest.mark.parametrize("slots", [1, 2])
async def test_no_more_callers_run_than_there_are_slots(slots: int) -> None:
    work = Work(slots, max_waiting=9)
    names = [f"{source}{number}" for source in "abc" for number in range(3)]
    await work.start(*names)
    while work.running:
        assert len(work.running) <= slots
        await work.end(work.running[0])
    assert sorted(work.began) == names
