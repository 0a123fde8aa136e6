"""Errors of works that run at once, and the end of tasks: also of those that swallow a cancellation or are closing."""

from __future__ import annotations

import asyncio

import pytest

from adsum.platform.cancellation import all_of, end


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    begun, swallowed = asyncio.Event(), asyncio.Event()

    async def swallow_one() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(swallow_one())
    await begun.wait()
    await end([task], again_s=0.001)
    assert swallowed.is_set()
    assert task.cancelled()


async def test_a_cancellation_of_the_caller_does_not_cut_what_a_task_does_at_its_end() -> None:
    begun, closing, may_close = asyncio.Event(), asyncio.Event(), asyncio.Event()
    closed: list[str] = []

    async def close_at_the_end() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            closing.set()
            await may_close.wait()
            closed.append("connection")

    task = asyncio.create_task(close_at_the_end())
    await begun.wait()
    ending = asyncio.create_task(end([task]))
    await closing.wait()
    ending.cancel()
    may_close.set()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert closed == ["connection"]


async def test_tasks_that_have_ended_and_no_tasks_need_no_end() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    task.cancel()
    await asyncio.wait([task])
    await end([task])
    await end([])


async def test_an_error_of_a_task_is_not_raised() -> None:
    begun = asyncio.Event()

    async def fail_at_the_end() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            raise ConnectionError

    task = asyncio.create_task(fail_at_the_end())
    await begun.wait()
    await end([task])
    assert isinstance(task.exception(), ConnectionError)


async def test_works_that_run_at_once_have_all_ended_before_the_error_of_one_is_raised() -> None:
    may_complete, completed = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        asyncio.get_running_loop().call_later(0.01, may_complete.set)  # after the error, which is there at once
        raise LookupError

    async def complete() -> None:
        await may_complete.wait()
        completed.set()

    with pytest.raises(LookupError):
        await all_of([fail(), complete()])
    assert completed.is_set()
    assert await all_of([complete()]) == [None]
