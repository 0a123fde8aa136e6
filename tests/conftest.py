"""All tests: no settings from outside, and real servers from `tests/support`."""

from __future__ import annotations

from zlib import crc32

import pytest

pytest_plugins = [
    "tests.support.fixtures",
    "tests.support.installation",
    "tests.support.frame",
    "tests.support.demo",
]

# Tests of statements, and of transactions that meet, always run on both databases.
OF_STATEMENTS = (
    "tests/batches/repository/",
    "tests/batches/sweep/",
    "tests/batches/test_accept",
    "tests/batches/test_dispatcher",
    "tests/batches/test_outages",
    "tests/batches/test_process",
    "tests/operations/test_pruning",
    "tests/platform/database/",
    "tests/reports/",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--either",
        action="store_true",
        help="what would run on SQLite and on Postgres runs on one of them, half of it on each; statements on both",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--either"):
        return
    left_out = [item for item in items if _runs_on_the_other(item)]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


def _runs_on_the_other(item: pytest.Item) -> bool:
    """By its name, so that it is the same in every run."""
    callspec = getattr(item, "callspec", None)
    database = callspec.params.get("new_database") if callspec is not None else None
    if database is None or item.nodeid.startswith(OF_STATEMENTS):
        return False
    chosen = ("sqlite", "postgres")[crc32(item.nodeid.replace(database, "").encode()) % 2]
    return database != chosen
