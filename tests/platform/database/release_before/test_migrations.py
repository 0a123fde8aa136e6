"""The migrations of this release let processes of the release before go on."""

from __future__ import annotations

from typing import Any

import pytest

from adsum.operations.migrations.tables import metadata
from adsum.platform.database.revision import COMPATIBLE_FROM
from tests.platform.database.release_before.rules import broken_rules
from tests.platform.database.release_before.tables import described, recorded

# Changes that break a rule and still fail no statement of the release before, each with the reason.
ALLOWED: dict[str, str] = {}


def test_the_tables_of_this_release_have_all_that_the_release_before_uses() -> None:
    broken = set(broken_rules(recorded()["tables"], described(metadata)))

    assert broken == ALLOWED.keys()


def test_the_record_is_of_the_revision_from_which_processes_work_side_by_side() -> None:
    assert recorded()["revision"] == COMPATIBLE_FROM


COLUMNS = {"id": "BIGINT NOT NULL DEFAULT", "name": "VARCHAR(20) NOT NULL", "note": "TEXT"}
TABLE: dict[str, Any] = {"columns": COLUMNS, "key": ["id"], "unique": [["name"]], "checks": [], "references": []}


def broken_by(changed: dict[str, str], **parts: object) -> list[str]:
    """The rules that a change of `TABLE` breaks: columns that are new or changed, and other parts of the table."""
    return list(broken_rules({"students": TABLE}, {"students": TABLE | {"columns": COLUMNS | changed} | parts}))


@pytest.mark.parametrize(
    ("columns", "parts", "message"),
    [
        ({}, {"columns": {"id": COLUMNS["id"], "name": COLUMNS["name"]}}, "students.note is dropped or renamed"),
        ({"school": "BIGINT NOT NULL"}, {}, "students.school is new and required"),
        ({"name": "BIGINT NOT NULL"}, {}, "students.name changes from VARCHAR(20) to BIGINT"),
        ({"name": "VARCHAR(10) NOT NULL"}, {}, "students.name changes from VARCHAR(20) to VARCHAR(10)"),
        ({"note": "VARCHAR(10)"}, {}, "students.note changes from TEXT to VARCHAR(10)"),
        ({"note": "TEXT NOT NULL"}, {}, "students.note becomes required"),
        ({"note": "TEXT NOT NULL DEFAULT"}, {}, "students.note becomes NOT NULL"),
        ({"id": "BIGINT NOT NULL"}, {}, "students.id becomes required"),
        ({}, {"key": ["name"]}, "the primary key of students changes"),
        ({}, {"unique": []}, "students loses the unique (name)"),
        ({}, {"unique": [["name"], ["note"]]}, "students has a new unique, ['note']"),
        ({}, {"checks": ["ck_students_short"]}, "students has a new check, ck_students_short"),
        ({}, {"references": ["note → notes.id"]}, "students has a new foreign key, note → notes.id"),
    ],
)
def test_a_change_that_breaks_the_release_before_is_named(
    columns: dict[str, str], parts: dict[str, object], message: str
) -> None:
    (found,) = broken_by(columns, **parts)

    assert message in found


def test_a_dropped_table_is_named() -> None:
    assert list(broken_rules({"students": TABLE}, {})) == [
        "students is dropped: keep the table until the release after the next"
    ]


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"school": "BIGINT"}, {}),
        ({"school": "BIGINT NOT NULL DEFAULT"}, {}),
        ({"name": "VARCHAR(40) NOT NULL"}, {}),
        ({"name": "TEXT NOT NULL"}, {}),
        ({"name": "VARCHAR(20)"}, {}),
        ({"school": "BIGINT"}, {"unique": [["name"], ["school", "name"]]}),
        ({"school": "BIGINT"}, {"references": ["school → schools.id"]}),
    ],
)
def test_an_expansion_is_allowed(columns: dict[str, str], parts: dict[str, object]) -> None:
    assert broken_by(columns, **parts) == []
