"""Options of all tests, and the fixtures that every folder may use: see `tests/support`."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from zlib import crc32

import pytest
from coverage import Coverage

pytest_plugins = [
    "tests.support.fixtures",
    "tests.support.installation",
    "tests.support.frame",
    "tests.support.demo",
]

SYSTEM = "tests/system/"
FAULTS = "tests/system/faults/"
# Tests of statements, and of transactions that meet, always run on both databases.
OF_STATEMENTS = (
    "tests/absences/test_absences",
    "tests/absences/test_registers",
    "tests/batches/repository/",
    "tests/batches/sweep/",
    "tests/batches/test_accept",
    "tests/batches/test_dispatcher",
    "tests/batches/test_outages",
    "tests/batches/test_process",
    "tests/batches/test_undo",
    "tests/operations/test_pruning",
    "tests/platform/database/",
    "tests/privacy/test_student_data",
    "tests/registers/test_service",
    "tests/reports/test_by_hand",
    "tests/reports/test_concurrency",
    "tests/reports/test_summaries",
    "tests/reports/test_whole_months",
    "tests/reports/test_year",
    "tests/roster/timetable/test_timetables",
)
# Tests that run other processes or adapters: measuring them costs half of their time, and they are not what covers
# the modules that decide.
UNMEASURED = (
    SYSTEM,
    "tests/batches/queue/",
    "tests/batches/repository/",
    "tests/platform/command_line/",
    "tests/platform/database/",
    "tests/platform/http/",
    "tests/platform/redis/",
    "tests/embedded/",
    "tests/processes/",
    "tests/support/",
)


ROOT = Path(__file__).resolve().parents[1]
for prefix in (*OF_STATEMENTS, *UNMEASURED):
    assert any(ROOT.glob(f"{prefix}*")), f"no test begins with {prefix}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--either",
        action="store_true",
        help="what would run on SQLite and on Postgres runs on one of them, half of it on each; statements on both",
    )
    parser.addoption("--seed", type=int, help="the random histories from this seed, and ten times as many of them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--either"):
        left_out = [item for item in items if _runs_on_the_other(item)]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)
    items[:] = _spread(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Pauses the measuring of coverage, where there is one, for tests that cover nothing that others do not."""
    measuring = Coverage.current()
    if measuring is None or not _is_unmeasured(item):
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


def _runs_on_the_other(item: pytest.Item) -> bool:
    """By its name, so that it is the same in every run."""
    database = _database(item)
    if database is None or item.nodeid.startswith(OF_STATEMENTS):
        return False
    chosen = ("sqlite", "postgres")[crc32(item.nodeid.replace(database, "").encode()) % 2]
    return database != chosen


def _is_unmeasured(item: pytest.Item) -> bool:
    """Where a test runs on both databases, measuring it on SQLite is enough."""
    is_twin = item.nodeid.startswith(OF_STATEMENTS) and _database(item) == "postgres"
    return is_twin or item.nodeid.startswith(UNMEASURED)


def _database(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("new_database") if callspec is not None else None


def _spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """The longest tests first; then those of faults, which mostly wait, evenly among those of features, which work."""
    waiting = [item for item in items if item.nodeid.startswith(FAULTS)]
    working = [item for item in items if not item.nodeid.startswith(SYSTEM)]
    others = [item for item in items if item.nodeid.startswith(SYSTEM) and not item.nodeid.startswith(FAULTS)]
    places = [((number + 0.5) / len(each), item) for each in (waiting, working) for number, item in enumerate(each)]
    return [*others, *(item for _, item in sorted(places, key=lambda place: place[0]))]
