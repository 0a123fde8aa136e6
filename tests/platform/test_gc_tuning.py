"""The objects that garbage collections skip."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

from adsum.platform.gc_tuning import YOUNG_THRESHOLD, freeze_startup_objects


@pytest.fixture
def as_before() -> Generator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
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
