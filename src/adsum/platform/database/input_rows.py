"""Many things asked in one statement: the rows of a table `asked`, which come as one parameter of JSON.

However many they are, the statement is the same text: so it stays prepared, and meets no limit of parameters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, String, bindparam

from adsum.platform.database.statements import Statement, of_text

# The same functions of JSON by the names that each has for them.
_SQLITE = {"list_of": "json_group_array", "tuple_of": "json_array"}
_POSTGRES = {"list_of": "jsonb_agg", "tuple_of": "jsonb_build_array"}


def asking(
    body: str | Callable[[str], str],
    asked: Mapping[str, str],
    told: Mapping[str, Any] | None = None,
    *,
    values: Sequence[BindParameter[Any]] = (),
) -> Statement:
    """A statement that begins with the table `asked`.

    Args:
        body: the rest, with `{list_of}` and `{tuple_of}` for the functions that make JSON of rows and of columns. Or
            what gives it for a dialect.
        asked: the columns of that table, with their types on Postgres.
        told: see `of_text`.
        values: that are the same for all rows.
    """

    def written(dialect: str) -> str:
        if dialect == "sqlite":
            fields, words = ", ".join(f"value ->> '{name}' AS {name}" for name in asked), _SQLITE
            table = f"SELECT {fields} FROM json_each(:asked)"  # noqa: S608 - the names are ours
        else:
            fields, words = ", ".join(f"{name} {kind}" for name, kind in asked.items()), _POSTGRES
            table = f"SELECT * FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS a({fields})"  # noqa: S608 - as above
        rest = body if isinstance(body, str) else body(dialect)
        return f"WITH asked AS ({table})\n{rest.format(**words)}"

    return of_text(written, bindparam("asked", type_=String), *values, told=told)


def rows_asked(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The parameter of such a statement. Days as their ISO form."""
    return {"asked": json.dumps(list(rows))}
