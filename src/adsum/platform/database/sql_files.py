"""Statements in `.sql` files: `sql/NAME.sql` of a package, or `sql/NAME.postgresql.sql` and `sql/NAME.sqlite.sql`.

A file holds one whole statement with named parameters (`:run_ids`). It runs when it is pasted into `psql` or `sqlite3`.
A comment at its head states its purpose, what it locks, and in which order. Comments stand on lines of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any

from sqlalchemy import Executable, bindparam, text

from adsum.platform.database.statements import Statement

INPUT_ROWS = "input_rows"
"""The parameter that holds many rows as one JSON array. The text of the statement is the same for any number of rows,
so that it stays prepared, and no limit on the number of parameters applies."""


class FileStatement(Statement):
    """A statement that `sql_file` reads. `package` and `name` identify its files."""

    def __init__(self, package: str, name: str, make: Callable[[str], Executable]) -> None:
        super().__init__(make)
        self.package = package
        self.name = name


def sql_file(
    package: str,
    name: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    returns: Mapping[str, Any] | None = None,
) -> FileStatement:
    """The statement in a file, read when it is first executed.

    Args:
        package: the package with the folder `sql`, for example `__package__` of the calling module.
        name: the name of the file, without the dialect and the ending.
        parameters: SQLAlchemy types of the parameters that need conversion, such as `Instant()`.
        returns: the columns of a row in their order, with their SQLAlchemy types; None: no value needs conversion.
    """

    def load_text(dialect: str) -> Executable:
        statement = text(read_sql(package, name, dialect))
        statement = statement.bindparams(*(bindparam(key, type_=kind) for key, kind in (parameters or {}).items()))
        return statement if returns is None else statement.columns(**returns)

    return FileStatement(package, name, load_text)


def read_sql(package: str, name: str, dialect: str) -> str:
    """The text of a statement for `sqlite` or `postgresql`, without its comments."""
    folder = files(package) / "sql"
    own = folder / f"{name}.{dialect}.sql"
    file = own if own.is_file() else folder / f"{name}.sql"
    return without_comments(file.read_text(encoding="utf-8"))


def without_comments(sql: str) -> str:
    """The statement alone: SQLAlchemy would take a colon in a comment for a parameter."""
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--")).strip().rstrip(";")


def input_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The parameter `:input_rows`, from rows that JSON can hold. Dates are ISO 8601 strings."""
    return {INPUT_ROWS: json.dumps(list(rows))}
