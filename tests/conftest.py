"""Options of pytest, the selection and order of tests, and the fixtures of all folders: see `tests/support`."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop
from hypothesis import settings

from adsum.platform.gc_tuning import freeze_startup_objects
from tests.support.choice import DAILY_SHARE, OF_STATEMENTS, daily
from tests.support.measuring import Measurement

MEASUREMENT = Measurement()
# Modules and tests stay: a collection would visit them, and release none. See `pytest_collection_finish`.
gc.disable()

# A slow machine is not an error of the code.
settings.register_profile("without deadline", deadline=None)
# Always the same random values, so that each run of the daily form decides the same branches.
settings.register_profile("daily", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("daily" if "--daily" in sys.argv else "without deadline")

# Before the plugins below and other conftest files import Adsum. Pytest knows its options only afterwards.
if "--coverage" in sys.argv:
    MEASUREMENT.begin()

pytest_plugins = [
    "tests.support.forking",
    "tests.support.economy",
    "tests.support.fixtures",
    "tests.support.installation",
    "tests.support.frame",
    "tests.support.demo",
]

MANY_TESTS = 1000  # most of which need an application or commands
SYSTEM = "tests/system/"
FAULTS = "tests/system/faults/"
ROOT = Path(__file__).resolve().parents[1]
for prefix in OF_STATEMENTS:
    assert any(ROOT.glob(f"{prefix}*")), f"no test begins with {prefix}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--daily", action="store_true", help="run a choice of the tests")
    parser.addoption("--long", action="store_true", help="run the long tests, too")
    parser.addoption("--coverage", action="store_true", help="measure the coverage of the modules that decide")
    parser.addoption("--seed", type=int, help="the random histories from this seed, and ten times as many of them")


@pytest.fixture
def share(request: pytest.FixtureRequest) -> int:
    """Exhaustive tests try one of so many points, and search one of so many histories."""
    return DAILY_SHARE if request.config.getoption("--daily") else 1


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run in the event loop of the product's processes."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_forked_finish() -> None:
    MEASUREMENT.save()


def pytest_sessionfinish() -> None:
    MEASUREMENT.save()
    MEASUREMENT.combine()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = [item for item in items if config.getoption("--long") or not item.get_closest_marker("long")]
    if config.getoption("--daily"):
        chosen = daily(chosen)
    left_out = set(items).difference(chosen)
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = _in_running_order(chosen)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepares once what all forked processes need, and excludes modules and tests from garbage collections, each of
    which would visit them.
    """
    if session.config.option.processes > 1 and len(session.items) >= MANY_TESTS:
        from tests.support.preparation import prepare  # noqa: PLC0415 - imports Adsum, which coverage measures by now

        prepare()
    freeze_startup_objects()
    gc.enable()


def _in_running_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Runs the longest tests first, then fault tests, which mostly wait, distributed evenly among tests of features."""
    waiting = [item for item in items if item.nodeid.startswith(FAULTS)]
    working = [item for item in items if not item.nodeid.startswith(SYSTEM)]
    longest = [item for item in items if item.nodeid.startswith(SYSTEM) and not item.nodeid.startswith(FAULTS)]
    places = [((number + 0.5) / len(each), item) for each in (waiting, working) for number, item in enumerate(each)]
    return [*longest, *(item for _, item in sorted(places, key=lambda place: place[0]))]
