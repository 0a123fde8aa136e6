"""Many things asked in one statement: the rows of a table `asked`, which come as one parameter of JSON.

However many they are, the statement is the same text: so it stays prepared, and meets no limit of parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import String, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# The same functions of JSON by the names that each has for them.
_SQLITE = {"list_of": "json_group_array", "tuple_of": "json_array"}
_POSTGRES = {"list_of": "jsonb_agg", "tuple_of": "jsonb_build_array"}


def asking(connection: AsyncConnection, body: str, **columns: str) -> TextClause:
    """A statement that begins with the table `asked`.

    Args:
        connection: of an open transaction; what it speaks decides.
        body: the rest, with `{list_of}` and `{tuple_of}` for the functions that make JSON of rows and of columns.
        **columns: of `asked`, with their types on Postgres.
    """
    if connection.dialect.name == "sqlite":
        fields, words = ", ".join(f"value ->> '{name}' AS {name}" for name in columns), _SQLITE
        table = f"SELECT {fields} FROM json_each(:asked)"  # noqa: S608 - the names are ours
    else:
        fields, words = ", ".join(f"{name} {kind}" for name, kind in columns.items()), _POSTGRES
        table = f"SELECT * FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS a({fields})"  # noqa: S608 - as above
    return text(f"WITH asked AS ({table})\n{body.format(**words)}").bindparams(bindparam("asked", type_=String))


def rows_asked(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The parameter of such a statement. Days as their ISO form."""
    return {"asked": json.dumps(list(rows))}
