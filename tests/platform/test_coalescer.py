"""Coalescer: together what arrives together, at once what arrives alone, and each with its own result or error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from adsum.platform.coalescer import Coalescer
from adsum.platform.errors import Overloaded, Unavailable

whose = ContextVar("whose", default="nobody")


class Defect(Exception):
    """The error of a flush for one item."""


class Press:
    """Squares numbers, a flush at a time, when it may; notes what came in each flush, and how many ran at once."""

    def __init__(self) -> None:
        self.flushes: list[list[int]] = []
        self.poison: set[int] = set()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.running = self.most_at_once = 0
        self.contexts: set[str] = set()

    async def flush(self, items: Sequence[int]) -> list[int]:
        self.flushes.append(list(items))
        self.contexts.add(whose.get())
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await self.go_on.wait()
        finally:
            self.running -= 1
        if found := self.poison & set(items):
            raise Defect(min(found))
        return [item * item for item in items]


@pytest.fixture
def press() -> Press:
    return Press()


NewCoalescer = Callable[..., Coalescer[int, int]]


@pytest.fixture
async def new_coalescer(press: Press) -> AsyncGenerator[NewCoalescer]:
    made: list[Coalescer[int, int]] = []

    def make(at_most: int = 100, waiting_at_most: int = 100) -> Coalescer[int, int]:
        limits = {"at_most": at_most, "waiting_at_most": waiting_at_most}
        made.append(Coalescer(press.flush, **limits))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def submitted(coalescer: Coalescer[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    """Tasks that have submitted, each after the other, and wait."""
    tasks = [asyncio.create_task(coalescer.submit(item)) for item in items]
    await turns()
    return tasks


async def turns() -> None:
    """Lets all ready tasks run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def errors_of(work: Coroutine[Any, Any, int] | asyncio.Task[int]) -> BaseException | None:
    (outcome,) = await asyncio.gather(work, return_exceptions=True)
    return outcome if isinstance(outcome, BaseException) else None


async def test_a_single_item_is_processed_at_once(press: Press, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer()
    assert [await coalescer.submit(3), await coalescer.submit(4)] == [9, 16]
    assert press.flushes == [[3], [4]]


async def test_items_submitted_during_a_flush_form_the_next_flush_in_order(
    press: Press, new_coalescer: NewCoalescer
) -> None:
    coalescer = new_coalescer()
    press.go_on.clear()
    tasks = await submitted(coalescer, [1])
    tasks += await submitted(coalescer, [5, 2, 4])
    tasks += await submitted(coalescer, [3])
    press.go_on.set()
    assert await asyncio.gather(*tasks) == [1, 25, 4, 16, 9]
    assert press.flushes == [[1], [5, 2, 4, 3]]


async def test_a_flush_has_a_maximum_size_and_keeps_the_order(press: Press, new_coalescer: NewCoalescer) -> None:
    tasks = await submitted(new_coalescer(at_most=3), range(8))
    assert await asyncio.gather(*tasks) == [item * item for item in range(8)]
    assert press.flushes == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_repeated_submissions_of_others_do_not_delay_an_item(press: Press, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer(at_most=2)
    press.go_on.clear()
    first = await submitted(coalescer, [1, 2, 3])
    greedy = await submitted(coalescer, range(10, 20))
    press.go_on.set()
    await first[2]
    assert press.flushes[1] == [3, 10]
    await asyncio.gather(*first, *greedy)


async def test_one_flush_runs_at_a_time(press: Press, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer(at_most=1)
    press.go_on.clear()
    tasks = await submitted(coalescer, range(6))
    assert len(press.flushes) == 1
    press.go_on.set()
    await asyncio.gather(*tasks)
    assert (len(press.flushes), press.most_at_once) == (6, 1)


@pytest.mark.parametrize("poison", [{0}, {7}, {3, 4}, {0, 2, 5}, set(range(8))])
async def test_a_failing_item_is_isolated_and_the_others_succeed(
    press: Press, new_coalescer: NewCoalescer, poison: set[int]
) -> None:
    press.poison = poison
    tasks = await submitted(new_coalescer(), range(8))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    failed = {item: outcome.args for item, outcome in enumerate(outcomes) if isinstance(outcome, Defect)}
    assert failed == {item: (item,) for item in poison}
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [i * i for i in range(8) if i not in poison]


async def test_an_outage_is_raised_to_all_without_halving() -> None:
    flushes: list[int] = []

    async def away(items: Sequence[int]) -> list[int]:
        flushes.append(len(items))
        raise Unavailable("away")

    coalescer = Coalescer(away, at_most=9, waiting_at_most=9)
    errors = [await errors_of(task) for task in await submitted(coalescer, range(8))]
    assert [type(error) for error in errors] == [Unavailable] * 8
    assert flushes == [8]


async def test_items_after_a_failure_are_processed(press: Press, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer()
    press.poison = {1}
    assert isinstance(await errors_of(coalescer.submit(1)), Defect)
    assert await coalescer.submit(2) == 4


async def test_a_flush_with_a_wrong_number_of_results_raises_for_each_item() -> None:
    async def nothing(_items: Sequence[int]) -> list[int]:
        return []

    coalescer = Coalescer(nothing, at_most=9, waiting_at_most=9)
    assert [type(await errors_of(task)) for task in await submitted(coalescer, [1, 2])] == [ValueError, ValueError]


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_cancelled_caller_affects_no_other_and_its_item_is_processed(
    press: Press, new_coalescer: NewCoalescer, cancelled: int
) -> None:
    coalescer = new_coalescer()
    press.go_on.clear()
    tasks = [*await submitted(coalescer, [0]), *await submitted(coalescer, [1, 2])]
    tasks[cancelled].cancel()
    await turns()
    press.go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [item for item, outcome in enumerate(outcomes) if not isinstance(outcome, int)] == [cancelled]
    assert press.flushes == [[0], [1, 2]]


async def test_an_error_of_a_cancelled_caller_affects_no_other(press: Press, new_coalescer: NewCoalescer) -> None:
    press.poison = {1}
    press.go_on.clear()
    tasks = await submitted(new_coalescer(), [1, 2])
    tasks[0].cancel()
    await turns()
    press.go_on.set()
    assert await tasks[1] == 4


async def test_items_beyond_the_limit_are_refused_and_later_accepted(press: Press, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer(at_most=1, waiting_at_most=2)
    press.go_on.clear()
    tasks = await submitted(coalescer, [1])
    tasks += await submitted(coalescer, [2, 3])
    with pytest.raises(Overloaded) as refused:
        await coalescer.submit(4)
    assert isinstance(refused.value, Unavailable)
    press.go_on.set()
    assert await asyncio.gather(*tasks) == [1, 4, 9]
    assert await coalescer.submit(4) == 16


async def test_closing_cancels_the_flush_and_all_waiting_items(press: Press, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer(at_most=1)
    press.go_on.clear()
    tasks = await submitted(coalescer, [1, 2])
    await coalescer.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    assert (press.flushes, press.running) == ([[1]], 0)


async def test_a_flush_has_no_context_variables_of_a_submitter(press: Press, new_coalescer: NewCoalescer) -> None:
    whose.set("somebody")
    await new_coalescer().submit(1)
    assert press.contexts == {"nobody"}


async def test_after_a_cancelled_flush_the_next_one_processes_waiting_items() -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def flush(items: Sequence[int]) -> Sequence[int]:
        if 1 in items:
            begun.set()
            await gate.wait()
            raise asyncio.CancelledError
        return items

    coalescer = Coalescer(flush, at_most=4, waiting_at_most=4)
    first = asyncio.create_task(coalescer.submit(1))
    await begun.wait()
    second = asyncio.create_task(coalescer.submit(2))
    await asyncio.sleep(0)
    gate.set()
    outcomes = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 5)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1] == 2
    await coalescer.close()
