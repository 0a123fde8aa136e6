"""The tables that the release before uses, `tables.json`: `python -m tests.platform.database.release_before.tables`
records those of the present code. Run it at a release, and set `COMPATIBLE_FROM` to the newest revision.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import Column, MetaData, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from adsum.operations.migrations.tables import metadata
from adsum.platform.database.revision import newest_revision
from tests.support.live import ROOT

RECORD = Path(__file__).with_name("tables.json")
RETIRED = "retired"
"""The key in `info` of a column that no code of this release uses. The next release may drop it."""


def present() -> dict[str, Any]:
    """The commit, the newest revision and the tables of the present code, without retired columns."""
    commit = subprocess.run(("git", "rev-parse", "HEAD"), cwd=ROOT, check=True, capture_output=True, text=True)
    return {"commit": commit.stdout.strip(), "revision": newest_revision(), "tables": described(metadata)}


def described(tables: MetaData) -> dict[str, Any]:
    """Of each table its columns, and the constraints that a row has to meet."""
    return {table.name: _table(table) for table in tables.sorted_tables}


def recorded() -> dict[str, Any]:
    """The committed description."""
    description: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return description


def _table(table: Table) -> dict[str, Any]:
    columns = [column for column in table.columns if RETIRED not in column.info]
    return {
        "columns": {column.name: _column(column) for column in columns},
        "key": [column.name for column in table.primary_key],
        "unique": _unique(table),
        "checks": sorted(str(each.name) for each in table.constraints if hasattr(each, "sqltext")),
        "references": sorted(f"{key.parent.name} → {key.target_fullname}" for key in table.foreign_keys),
    }


def _column(column: Column[Any]) -> str:
    """The type, and `NOT NULL` and `DEFAULT` where they hold."""
    filled = column.server_default is not None or column is column.table.autoincrement_column
    words = {"NOT NULL": not column.nullable, "DEFAULT": filled}
    return " ".join(
        [column.type.compile(dialect=postgresql.dialect()), *(word for word, holds in words.items() if holds)]
    )


def _unique(table: Table) -> list[list[str]]:
    constraints = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    indexes = [each for each in table.indexes if each.unique]
    return sorted([str(part) for part in each.columns] or [str(each.name)] for each in (*constraints, *indexes))


if __name__ == "__main__":
    RECORD.write_text(json.dumps(present(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
