"""Temporary tables of an import. The difference to the real tables is applied by a few statements."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Date, Index, Integer, MetaData, String, Table, Text

from adsum.platform.database.columns import BigInt
from adsum.platform.database.search import search_column
from adsum.roster.importing.rules import STUDENT_CELLS
from adsum.roster.tables import students

staging = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, staging, *columns, prefixes=["TEMPORARY"])


def _staged(name: str, owner: str, *columns: Column[Any]) -> Table:
    """`row` is the line in the file. A gone or kept row without an owner applies to every school of the import."""
    table = _table(
        name,
        Column("row", Integer, nullable=False),
        Column(owner, BigInt),
        Column("source_id", String(255), nullable=False),
        Column("state", String(8), nullable=False),
        *columns,
    )
    Index(f"ix_{name}", table.c.source_id, table.c.state, table.c[owner])
    Index(f"ix_{name}_row", table.c.row)
    return table


# The schools of the import, their current day, the last day that counts as soon, and whether the whole school ends.
import_schools = _table(
    "import_schools",
    Column("school_id", BigInt, nullable=False),
    Column("today", Date, nullable=False),
    Column("soon", Date, nullable=False),
    Column("gone", Boolean, nullable=False),
)

import_students = _staged(
    "import_students",
    "school_id",
    *(Column(name, students.c[name].type) for name in STUDENT_CELLS),
    search_column("given_name", "family_name", "source_id"),
)

# Listed students who are no home students of their school, and are stored at other schools of the import.
import_elsewhere = _table(
    "import_elsewhere",
    Column("school_id", BigInt, nullable=False),
    Column("source_id", String(255), nullable=False),
    Column("student_id", BigInt, nullable=False),
)
Index("ix_import_elsewhere", import_elsewhere.c.school_id, import_elsewhere.c.source_id)

# Students whose home school changes by the import.
import_transfers = _table(
    "import_transfers",
    Column("student_id", BigInt, nullable=False),
    Column("old_school_id", BigInt, nullable=False),
    Column("school_id", BigInt, nullable=False),
)

# The schools that students leave by the import.
import_leavers = _table(
    "import_leavers",
    Column("student_id", BigInt, nullable=False),
    Column("school_id", BigInt, nullable=False),
)
Index("ix_import_leavers", import_leavers.c.student_id)

import_teachers = _staged(
    "import_teachers",
    "school_id",
    Column("given_name", String(255)),
    Column("family_name", String(255)),
    search_column("given_name", "family_name", "source_id"),
    Column("enabled_in_roster", Boolean),
)

import_classes = _staged(
    "import_classes",
    "school_id",
    Column("title", String(255)),
    Column("code", String(255)),
    Column("term_source_ids", Text),
    search_column("title", "code", "source_id"),
)

import_sessions = _table(
    "import_sessions",
    Column("class_id", BigInt, nullable=False),
    Column("period", String(64), nullable=False),
    Column("title", String(255), nullable=False),
)

# Enrolments of students and assignments of teachers, whose source ids share one file. One of the two ids is set.
import_enrolments = _staged(
    "import_enrolments",
    "class_id",
    Column("student_id", BigInt),
    Column("user_id", BigInt),
    Column("begin_date", Date),
    Column("end_date", Date),
    Column("begin_from_terms", Boolean),
    Column("end_from_terms", Boolean),
)

# The students of the schools before the import. Only a dry run fills this table and the next ones.
import_known_students = _table(
    "import_known_students",
    Column("student_id", BigInt, nullable=False),
    Column("active", Boolean, nullable=False),
)
Index("ix_import_known_students", import_known_students.c.student_id)

# The classes of each student before the import, today or later, and the last end of the enrolments; NULL: none.
import_places = _table(
    "import_places",
    Column("student_id", BigInt, nullable=False),
    Column("class_id", BigInt, nullable=False),
    Column("end_date", Date),
)
Index("ix_import_places", import_places.c.student_id, import_places.c.class_id)

# The classes that a student joins or leaves, and on which day.
import_moves = _table(
    "import_moves",
    Column("student_id", BigInt, nullable=False),
    Column("class_id", BigInt, nullable=False),
    Column("joined", Boolean, nullable=False),
    Column("day", Date),
)
Index("ix_import_moves", import_moves.c.student_id)

import_changed_students = _table(
    "import_changed_students",
    Column("student_id", BigInt, nullable=False),
    Column("change", String(8), nullable=False),
    Column("is_new", Boolean, nullable=False),
)
Index("ix_import_changed_students", import_changed_students.c.change, import_changed_students.c.student_id)
