"""Coalescer: concurrent items form one flush, a single item is processed at once, each gets its own result or error."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from adsum.platform.coalescer import Coalescer
from adsum.platform.errors import Overloaded, Unavailable

whose = ContextVar("whose", default="nobody")


class Defect(Exception):
    """The error of a flush for one item."""


class ControlledFlush:
    """A flush that squares numbers once the test allows it. Stores the items of each flush."""

    def __init__(self) -> None:
        self.flushes: list[list[int]] = []
        self.poison: set[int] = set()
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.running = self.max_running = 0
        self.contexts: set[str] = set()

    async def flush(self, items: Sequence[int]) -> list[int]:
        self.flushes.append(list(items))
        self.contexts.add(whose.get())
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        try:
            await self.unblocked.wait()
        finally:
            self.running -= 1
        if found := self.poison & set(items):
            raise Defect(min(found))
        return [item * item for item in items]


@pytest.fixture
def squares() -> ControlledFlush:
    return ControlledFlush()


NewCoalescer = Callable[..., Coalescer[int, int]]


@pytest.fixture
async def new_coalescer(squares: ControlledFlush) -> AsyncGenerator[NewCoalescer]:
    made: list[Coalescer[int, int]] = []

    def make(at_most: int = 100, waiting_at_most: int = 100, refuse_after: float = math.inf) -> Coalescer[int, int]:
        limits: Any = {"at_most": at_most, "waiting_at_most": waiting_at_most, "refuse_after": refuse_after}
        made.append(Coalescer(squares.flush, **limits))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def submitted(coalescer: Coalescer[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    """Tasks that have submitted, each after the other, and wait."""
    tasks = [asyncio.create_task(coalescer.submit(item)) for item in items]
    await run_ready_tasks()
    return tasks


async def run_ready_tasks() -> None:
    """Lets all ready tasks run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def errors_of(work: Coroutine[Any, Any, int] | asyncio.Task[int]) -> BaseException | None:
    (outcome,) = await asyncio.gather(work, return_exceptions=True)
    return outcome if isinstance(outcome, BaseException) else None


async def test_a_single_item_is_processed_at_once(squares: ControlledFlush, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer()
    assert [await coalescer.submit(3), await coalescer.submit(4)] == [9, 16]
    assert squares.flushes == [[3], [4]]


async def test_items_submitted_during_a_flush_form_the_next_flush_in_order(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    coalescer = new_coalescer()
    squares.unblocked.clear()
    tasks = await submitted(coalescer, [1])
    tasks += await submitted(coalescer, [5, 2, 4])
    tasks += await submitted(coalescer, [3])
    squares.unblocked.set()
    assert await asyncio.gather(*tasks) == [1, 25, 4, 16, 9]
    assert squares.flushes == [[1], [5, 2, 4, 3]]


async def test_a_flush_has_a_maximum_size_and_keeps_the_order(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    tasks = await submitted(new_coalescer(at_most=3), range(8))
    assert await asyncio.gather(*tasks) == [item * item for item in range(8)]
    assert squares.flushes == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_repeated_submissions_of_others_do_not_delay_an_item(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    coalescer = new_coalescer(at_most=2)
    squares.unblocked.clear()
    first = await submitted(coalescer, [1, 2, 3])
    greedy = await submitted(coalescer, range(10, 20))
    squares.unblocked.set()
    await first[2]
    assert squares.flushes[1] == [3, 10]
    await asyncio.gather(*first, *greedy)


async def test_one_flush_runs_at_a_time(squares: ControlledFlush, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer(at_most=1)
    squares.unblocked.clear()
    tasks = await submitted(coalescer, range(6))
    assert len(squares.flushes) == 1
    squares.unblocked.set()
    await asyncio.gather(*tasks)
    assert (len(squares.flushes), squares.max_running) == (6, 1)


@pytest.mark.parametrize("poison", [{0}, {7}, {3, 4}, {0, 2, 5}, set(range(8))])
async def test_a_failing_item_is_isolated_and_the_others_succeed(
    squares: ControlledFlush, new_coalescer: NewCoalescer, poison: set[int]
) -> None:
    squares.poison = poison
    tasks = await submitted(new_coalescer(), range(8))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    failed = {item: outcome.args for item, outcome in enumerate(outcomes) if isinstance(outcome, Defect)}
    assert failed == {item: (item,) for item in poison}
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [i * i for i in range(8) if i not in poison]


async def test_an_outage_is_raised_to_all_without_halving() -> None:
    flushes: list[int] = []

    async def fail(items: Sequence[int]) -> list[int]:
        flushes.append(len(items))
        raise Unavailable("away")

    coalescer = Coalescer(fail, at_most=9, waiting_at_most=9)
    errors = [await errors_of(task) for task in await submitted(coalescer, range(8))]
    assert [type(error) for error in errors] == [Unavailable] * 8
    assert flushes == [8]


async def test_items_after_a_failure_are_processed(squares: ControlledFlush, new_coalescer: NewCoalescer) -> None:
    coalescer = new_coalescer()
    squares.poison = {1}
    assert isinstance(await errors_of(coalescer.submit(1)), Defect)
    assert await coalescer.submit(2) == 4


async def test_a_flush_with_a_wrong_number_of_results_raises_for_each_item() -> None:
    async def nothing(_items: Sequence[int]) -> list[int]:
        return []

    coalescer = Coalescer(nothing, at_most=9, waiting_at_most=9)
    assert [type(await errors_of(task)) for task in await submitted(coalescer, [1, 2])] == [ValueError, ValueError]


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_cancelled_caller_affects_no_other_and_its_item_is_processed(
    squares: ControlledFlush, new_coalescer: NewCoalescer, cancelled: int
) -> None:
    coalescer = new_coalescer()
    squares.unblocked.clear()
    tasks = [*await submitted(coalescer, [0]), *await submitted(coalescer, [1, 2])]
    tasks[cancelled].cancel()
    await run_ready_tasks()
    squares.unblocked.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [item for item, outcome in enumerate(outcomes) if not isinstance(outcome, int)] == [cancelled]
    assert squares.flushes == [[0], [1, 2]]


async def test_an_error_of_a_cancelled_caller_affects_no_other(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    squares.poison = {1}
    squares.unblocked.clear()
    tasks = await submitted(new_coalescer(), [1, 2])
    tasks[0].cancel()
    await run_ready_tasks()
    squares.unblocked.set()
    assert await tasks[1] == 4


async def test_items_beyond_the_limit_are_refused_and_later_accepted(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    coalescer = new_coalescer(at_most=1, waiting_at_most=2)
    squares.unblocked.clear()
    tasks = await submitted(coalescer, [1])
    tasks += await submitted(coalescer, [2, 3])
    with pytest.raises(Overloaded) as refused:
        await coalescer.submit(4)
    assert isinstance(refused.value, Unavailable)
    squares.unblocked.set()
    assert await asyncio.gather(*tasks) == [1, 4, 9]
    assert await coalescer.submit(4) == 16


async def test_items_are_refused_while_another_one_waits_too_long(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    """A long flush alone is no reason: the next item may be in the flush after it."""
    coalescer = new_coalescer(at_most=1, refuse_after=-1.0)
    squares.unblocked.clear()
    tasks = await submitted(coalescer, [1])
    tasks += await submitted(coalescer, [2])
    with pytest.raises(Overloaded):
        await coalescer.submit(3)
    squares.unblocked.set()
    assert await asyncio.gather(*tasks) == [1, 4]
    assert await coalescer.submit(3) == 9


async def test_closing_cancels_the_flush_and_all_waiting_items(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    coalescer = new_coalescer(at_most=1)
    squares.unblocked.clear()
    tasks = await submitted(coalescer, [1, 2])
    await coalescer.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    assert (squares.flushes, squares.running) == ([[1]], 0)


async def test_a_flush_has_no_context_variables_of_a_submitter(
    squares: ControlledFlush, new_coalescer: NewCoalescer
) -> None:
    whose.set("somebody")
    await new_coalescer().submit(1)
    assert squares.contexts == {"nobody"}


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
