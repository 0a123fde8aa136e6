"""The migrations of this release let processes of the release before go on."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from adsum.platform.database.revision import COMPATIBLE_FROM
from tests.platform.database.release_before.rules import broken_rules
from tests.platform.database.release_before.tables import present, recorded

# Changes that break a rule and still fail no statement of the release before, each with the reason.
ALLOWED: dict[str, str] = {}


def test_the_tables_of_this_release_have_all_that_the_release_before_uses() -> None:
    broken = set(broken_rules(recorded()["tables"], present()["tables"]))

    assert broken == ALLOWED.keys()


def test_the_record_is_of_the_revision_from_which_processes_work_side_by_side() -> None:
    assert recorded()["revision"] == COMPATIBLE_FROM


def table() -> dict[str, Any]:
    return {
        "columns": {
            "id": "BIGINT NOT NULL DEFAULT",
            "name": "VARCHAR(20) NOT NULL",
            "note": "TEXT",
        },
        "key": ["id"],
        "unique": [["name"]],
        "checks": [],
        "references": [],
    }


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    after = deepcopy(table())
    change(after)
    return list(broken_rules({"students": table()}, {"students": after}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["columns"].pop("note"), "students.note is dropped or renamed"),
        (lambda t: t["columns"].update(school="BIGINT NOT NULL"), "students.school is new and required"),
        (lambda t: t["columns"].update(name="BIGINT NOT NULL"), "students.name changes from VARCHAR(20) to BIGINT"),
        (lambda t: t["columns"].update(name="VARCHAR(10) NOT NULL"), "from VARCHAR(20) to VARCHAR(10)"),
        (lambda t: t["columns"].update(note="VARCHAR(10)"), "from TEXT to VARCHAR(10)"),
        (lambda t: t["columns"].update(note="TEXT NOT NULL"), "students.note becomes required"),
        (lambda t: t["columns"].update(note="TEXT NOT NULL DEFAULT"), "students.note becomes NOT NULL"),
        (lambda t: t["columns"].update(id="BIGINT NOT NULL"), "students.id becomes required"),
        (lambda t: t.update(key=["name"]), "the primary key of students changes"),
        (lambda t: t.update(unique=[]), "students loses the unique (name)"),
        (lambda t: t["unique"].append(["note"]), "students has a new unique, ['note']"),
        (lambda t: t["checks"].append("ck_students_short"), "students has a new check, ck_students_short"),
        (lambda t: t["references"].append("note → notes.id"), "students has a new foreign key, note → notes.id"),
    ],
)
def test_a_change_that_breaks_the_release_before_is_named(change: Any, message: str) -> None:
    (found,) = changed(change)

    assert message in found


def test_a_dropped_table_is_named() -> None:
    assert list(broken_rules({"students": table()}, {})) == [
        "students is dropped: keep the table until the release after the next"
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["columns"].update(school="BIGINT"),
        lambda t: t["columns"].update(school="BIGINT NOT NULL DEFAULT"),
        lambda t: t["columns"].update(name="VARCHAR(40) NOT NULL"),
        lambda t: t["columns"].update(name="TEXT NOT NULL"),
        lambda t: t["columns"].update(name="VARCHAR(20)"),
        lambda t: (t["columns"].update(school="BIGINT"), t["unique"].append(["school", "name"])),
        lambda t: (t["columns"].update(school="BIGINT"), t["references"].append("school → schools.id")),
    ],
)
def test_an_expansion_is_allowed(change: Any) -> None:
    assert changed(change) == []
