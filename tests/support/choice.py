"""The tests of the daily form, `./adsum test`. The long form, `./adsum test --long`, has all of them.

Each behaviour has a test in the daily form, at the layer where it is cheapest. The long form repeats it with more data,
on the second database, or at another layer. Left out of the daily form are

- tests marked `long`;
- the run on one of the databases, of tests that do not concern statements: mostly on Postgres, where they take twice as
  long. `both_databases` marks tests whose statements no other test has;
- of the cases of a test that needs servers, all but one: in a browser, light, dark or on a phone. `every_case` marks
  tests whose cases are behaviours of their own;
- most points of exhaustive tests, such as a fault at every step: see `share` in `tests/conftest.py`.

The name of a test decides, so that each run has the same selection. A new test is in the daily form.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from zlib import crc32

import pytest

# Exhaustive tests have a fixture `share`.
DAILY_SHARE = 5
# One of so many tests runs on Postgres instead of SQLite.
ON_POSTGRES = 8
# Tests of statements and of concurrent transactions run on both databases.
OF_STATEMENTS = (
    "tests/batches/repository/",
    "tests/batches/sweep/",
    "tests/batches/test_accept",
    "tests/batches/test_process",
    "tests/batches/test_undo.py",
    "tests/platform/database/",
    "tests/reports/test_by_hand",
    "tests/reports/test_concurrency",
)
# Fixtures with one parameter for each database.
MIGRATED, UNMIGRATED = "new_database", "unmigrated_url"
BROWSING = "browsing"
RUNNER = "runner"  # of `adsum up`
SERVERS = {
    *(BROWSING, RUNNER, "valkey", "own_valkey", "postgres", "own_postgres", "sqlite_template", MIGRATED, UNMIGRATED),
}


def daily(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Those of the daily form, in their order."""
    both = {each for each, number in Counter(map(_without_database, items)).items() if number > 1}
    items = [
        item
        for item in items
        if _is_on_both(item)
        or _without_database(item) not in both
        or _database_of(item) in {None, _chosen_database(item)}
    ]
    superfluous = {item for cases in _cases(items) for item in sorted(cases, key=_checksum)[1:]}
    return [item for item in items if item not in superfluous]


def _is_of_statements(item: pytest.Item) -> bool:
    """Whether the test runs on both databases. Migrations run on both before any other test."""
    return item.nodeid.startswith(OF_STATEMENTS) and not _parameter(item, UNMIGRATED)


def _database_of(item: pytest.Item) -> str | None:
    """`sqlite` or `postgres`; None: the test has no database, or always the same."""
    return _parameter(item, MIGRATED) or _parameter(item, UNMIGRATED)


def _is_on_both(item: pytest.Item) -> bool:
    return _is_of_statements(item) or item.get_closest_marker("both_databases") is not None


def _chosen_database(item: pytest.Item) -> str:
    return "sqlite" if crc32(_without_database(item).encode()) % ON_POSTGRES else "postgres"


def _without_database(item: pytest.Item) -> str:
    return item.nodeid.replace(_database_of(item) or "", "")


def _cases(items: Collection[pytest.Item]) -> Iterator[list[pytest.Item]]:
    """The cases of each test that needs servers, on each database."""
    found: defaultdict[tuple[str, str | None], list[pytest.Item]] = defaultdict(list)
    for item in items:
        needs_servers = not SERVERS.isdisjoint(getattr(item, "fixturenames", ()))
        if needs_servers and not item.get_closest_marker("every_case"):
            found[item.nodeid.partition("[")[0], _database_of(item) if _is_on_both(item) else None].append(item)
    yield from found.values()


def _parameter(item: pytest.Item, fixture: str) -> str | None:
    parameters: dict[str, str] = getattr(getattr(item, "callspec", None), "params", {})
    return parameters.get(fixture)


def _checksum(item: pytest.Item) -> int:
    return crc32(item.nodeid.encode())
