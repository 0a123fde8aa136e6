"""Every `.sql` file of Adsum: its form, and that both databases accept it."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Generator
from contextlib import closing
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

import adsum
from adsum.accounts.access import PERMISSIONS, Permission, Role
from adsum.attendance.repository import is_set_by_office
from adsum.batches.rules import RunState
from adsum.platform.database.driver import driver_of
from adsum.platform.database.engine import open_database
from adsum.platform.database.sql_files import FileStatement, read_sql, without_comments
from tests.support.servers.databases import Databases
from tests.support.servers.postgres import Postgres

SOURCE = Path(adsum.__file__).parent
FILES = sorted(SOURCE.rglob("*.sql"))

# Half-open validity, as `adsum.platform.database.validity` writes it: on a day, or on any day of a period. The dates of
# terms are never NULL.
_DAY = r"(?:[\w.:]+|CAST\([\w.:]+ AS \w+\))"
VALID_ON = re.compile(
    rf"\((?P<row>\w+\.|)begin_date IS NULL OR (?P=row)begin_date <= {_DAY}\) "
    rf"AND \((?P=row)end_date IS NULL OR (?P=row)end_date > {_DAY}\)"
)
TERMS = re.compile(rf"(?P<row>\w+\.)begin_date <= {_DAY} AND (?P=row)end_date > {_DAY}")
# The rules that several files repeat, with the literals in them.
OFFICE = re.compile(r"marked_role (?:NOT )?IN \(([^()]*)\)")
STATE = re.compile(r"\bstate (?:=|<>) '(\w+)'")
# Postgres gives a cast the name of its column, and sorts by columns of the result first.
CAST = re.compile(r"CAST\((?:\w+\.)?(\w+) AS \w+\)(?! AS)")
SORTED_BY = re.compile(r"ORDER BY ([^)]+)")
COMPARED = re.compile(r"\b(begin_date|end_date) *(<|>)|(<|>)=? *(\w+\.)?(begin_date|end_date)\b")


def _package_and_name(file: Path) -> tuple[str, str]:
    package = ".".join(("adsum", *file.parent.parent.relative_to(SOURCE).parts))
    return package, file.name.partition(".")[0]


def _id(file: Path) -> str:
    return "/".join((*_package_and_name(file)[0].split(".")[1:], file.name))


@cache
def _texts() -> list[tuple[Path, str]]:
    """Each file with its statement on one line."""
    return [(file, " ".join(without_comments(file.read_text(encoding="utf-8")).split())) for file in FILES]


def _of_dialect(dialect: str) -> list[Path]:
    return [file for file in FILES if len(file.suffixes) == 1 or file.suffixes[0] == f".{dialect}"]


@cache
def _statements() -> dict[tuple[str, str], FileStatement]:
    """The statements of all modules that call `sql_file`, by package and name."""
    found: dict[tuple[str, str], FileStatement] = {}
    for path in SOURCE.rglob("*.py"):
        if "sql_file(" in path.read_text(encoding="utf-8") and path.name != "sql_files.py":
            module = ".".join(("adsum", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
            statements = [each for each in vars(import_module(module)).values() if isinstance(each, FileStatement)]
            found |= {(each.package, each.name): each for each in statements}
    return found


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_a_file_is_loaded_by_a_module(file: Path) -> None:
    assert _package_and_name(file) in _statements()


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_the_head_comment_of_a_file_names_its_locks_and_no_comment_follows_code(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("-- ")
    head = "\n".join(takewhile(lambda line: line.startswith("--"), lines))
    assert re.search(r"\block(s|ed)?\b|SQLite has one writer\.", head, re.IGNORECASE), "what does it lock?"
    assert [line for line in lines if "/*" in line or ("--" in line and not line.lstrip().startswith("--"))] == []


@pytest.mark.parametrize("file", FILES, ids=_id)
def test_a_file_writes_validity_in_the_canonical_form(file: Path) -> None:
    statement = " ".join(without_comments(file.read_text(encoding="utf-8")).split())
    if "FROM terms" in statement:
        statement = TERMS.sub("", statement)
    assert COMPARED.search(VALID_ON.sub("", statement)) is None


def test_the_office_is_the_same_roles_in_all_files() -> None:
    roles = {role.value for role in Role if Permission.ATTENDANCE_OVERRULE in PERMISSIONS[role]}
    assert set(is_set_by_office().right.value) == roles  # pyright: ignore[reportAttributeAccessIssue]
    found = [roles for _, text in _texts() for roles in OFFICE.findall(text)]
    assert found
    assert {frozenset(re.findall(r"'(\w+)'", each)) for each in found} == {frozenset(roles)}


def test_every_state_of_a_run_in_a_file_is_one_of_the_rules() -> None:
    assert {state for _, text in _texts() for state in STATE.findall(text)} <= set(RunState)


@pytest.fixture(scope="module")
def sqlite_connection(sqlite_template: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{sqlite_template}?mode=ro", uri=True)) as connection:
        yield connection


@pytest.mark.parametrize("file", _of_dialect("sqlite"), ids=_id)
def test_sqlite_prepares_a_file(file: Path, sqlite_connection: sqlite3.Connection) -> None:
    package, name = _package_and_name(file)
    parameters: defaultdict[str, None] = defaultdict(lambda: None)
    sqlite_connection.execute(f"EXPLAIN {read_sql(package, name, 'sqlite')}", parameters)


@pytest.fixture(scope="module")
def postgres_database(postgres: Postgres, postgres_databases: Databases) -> Generator[str]:
    name = postgres_databases.take()
    yield postgres.url(name)
    postgres_databases.give_back(name)


@pytest.mark.parametrize("file", _of_dialect("postgresql"), ids=_id)
async def test_postgres_prepares_a_file(file: Path, postgres_database: str) -> None:
    statement: Any = _statements()[_package_and_name(file)]
    database = open_database(postgres_database)
    try:
        async with database.snapshot() as connection:
            driver: Any = driver_of(connection)
            await driver.prepare(statement._for_postgres.text)
    finally:
        await database.close()


def test_no_module_exempts_itself_from_the_check_for_built_sql() -> None:
    assert [path for path in SOURCE.rglob("*.py") if "noqa: S608" in path.read_text(encoding="utf-8")] == []


def test_no_statement_sorts_by_a_cast_of_the_column_that_it_names() -> None:
    """As texts, 10 comes before 2."""
    for file, statement in _texts():
        names = {part.split()[0] for each in SORTED_BY.findall(statement) for part in each.split(",") if part.strip()}
        assert names.isdisjoint(CAST.findall(statement)), _id(file)
