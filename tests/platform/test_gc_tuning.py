"""The objects that garbage collections skip."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress

import pytest

from adsum.platform import gc_tuning
from adsum.platform.gc_tuning import MAX_OBJECTS, YOUNG_THRESHOLD, collect_regularly, freeze_startup_objects


@pytest.fixture
def as_before() -> Generator[None]:
    """Later tests find the thresholds as they were, and everything frozen, as after the collection of tests."""
    thresholds = gc.get_threshold()
    yield
    gc.freeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("as_before")
def test_frozen_objects_are_kept_and_new_objects_are_collected() -> None:
    freeze_startup_objects()

    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count() / 10
    assert gc.get_threshold()[0] == YOUNG_THRESHOLD
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1


class Circle:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.own = self


def old_circle() -> weakref.ref[Circle]:
    """A circle that nobody else refers to, and that only a full collection frees."""
    circle = Circle()
    gc.collect()
    return weakref.ref(circle)


@asynccontextmanager
async def collecting(monkeypatch: pytest.MonkeyPatch, *, max_objects: int) -> AsyncGenerator[None]:
    """Collects at every pass of the event loop."""
    monkeypatch.setattr(gc_tuning, "INTERVAL_S", 0)
    monkeypatch.setattr(gc_tuning, "MAX_DEFERRALS", 3)
    monkeypatch.setattr(gc_tuning, "MAX_OBJECTS", max_objects)
    task = asyncio.create_task(collect_regularly())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.usefixtures("as_before")
async def test_full_collections_do_not_begin_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    freeze_startup_objects()
    async with collecting(monkeypatch, max_objects=-1_000_000_000):
        circle, before = old_circle(), gc.get_stats()[2]["collections"]
        kept = [[number] for number in range(50 * YOUNG_THRESHOLD)]
        assert len(kept) > MAX_OBJECTS
        assert gc.get_stats()[2]["collections"] == before
        assert circle() is not None


@pytest.mark.usefixtures("as_before")
async def test_few_objects_are_collected_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting(monkeypatch, max_objects=1_000_000_000):
        circle = old_circle()
        await asyncio.sleep(0)
        assert circle() is None


@pytest.mark.usefixtures("as_before")
async def test_many_objects_wait_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting(monkeypatch, max_objects=-1_000_000_000):
        circle = old_circle()
        await asyncio.sleep(0)
        assert circle() is not None
        for _ in range(3):
            await asyncio.sleep(0)
        assert circle() is None
