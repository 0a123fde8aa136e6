"""Terms that change in a later file: what moves with them, and which summaries are made anew."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import update

from adsum.batches.rules import RunState
from adsum.operations.migrations import tables
from adsum.platform.ids import Batch
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import Roster, a_school, enrolment, user
from tests.roster.importing.terms import BETWEEN, IN_FIRST, IN_SECOND, LATER, due_on, opening
from tests.roster.terms_files import EARLY, FIRST, LATE, SECOND, YEAR, term, with_terms
from tests.support.runs import make_run
from tests.support.schools import SchoolIds
from tests.support.statements import count_of, statements_sent


async def test_a_second_import_changes_nothing(importing: Importing) -> None:
    first = await importing.run(with_terms(None, FIRST, SECOND))
    everything = {**await importing.everything(), "terms": await importing.rows(tables.terms)}

    assert counts(first)["terms"] == (5, 0, 0, 0)
    again = await importing.run(with_terms(None, SECOND, FIRST))
    assert again.changes_nothing
    assert {**await importing.everything(), "terms": await importing.rows(tables.terms)} == everything


async def test_a_term_that_changes_in_a_later_file_moves_its_enrolments(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    roster = with_terms(None, FIRST)
    roster.row("academicSessions", FIRST)["endDate"] = "2024-12-01"
    report = await importing.run(roster)

    assert counts(report)["terms"] == (0, 1, 0, 4)
    assert counts(report)["enrolments"] == (0, 3, 0, 0)
    assert await due_on(importing, BETWEEN) == 1
    assert set((await importing.spans()).values()) == {(date(2024, 9, 1), date(2024, 12, 1))}


async def test_a_class_that_changes_its_terms_counts_as_changed(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    report = await importing.run(with_terms(None, SECOND))

    assert counts(report)["classes"] == (0, 1, 0, 0)
    assert [await due_on(importing, day) for day in (IN_FIRST, IN_SECOND)] == [0, 1]
    await importing.run(with_terms())
    assert set((await importing.spans()).values()) == {(None, None)}


async def test_a_file_without_the_column_of_terms_leaves_them(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    roster = with_terms()
    for row in roster.tables["classes"]:
        del row["termSourcedIds"]

    assert (await importing.run(roster)).changes_nothing


async def test_a_delta_that_closes_a_circle_of_stored_academic_sessions_is_named(importing: Importing) -> None:
    await importing.run(with_terms(a_school(), FIRST))
    delta = with_terms(None, FIRST)
    delta.tables["academicSessions"] = [{**delta.row("academicSessions", YEAR), "parentSourcedId": FIRST}]

    report = await importing.run(changes(delta, "academicSessions"))

    assert places_and_codes(report.warnings) == [("academicSessions.csv:2", "circular_terms")]
    assert report.changes_nothing


def changes(roster: Roster, *files: str) -> Roster:
    """The rows of these files as a delta."""
    roster.tables = {name: rows for name, rows in roster.tables.items() if name in files}
    roster.modes = dict.fromkeys(files, "delta")
    return roster


async def test_a_delta_of_academic_sessions_alone_moves_the_schools_that_have_them(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    delta = with_terms(None, FIRST)
    delta.tables["academicSessions"] = [
        term(FIRST, "semester", "2024-09-01", "2024-12-01", YEAR),
        term("third", "semester", "2025-06-01", "2025-07-01", YEAR),
        term("foreign", "term", "2025-06-01", "2025-07-01"),
    ]
    report = await importing.run(changes(delta, "academicSessions"))

    assert counts(report)["terms"] == (2, 1, 0, 0)
    assert counts(report)["enrolments"] == (0, 3, 0, 0)
    assert counts(report)["teachings"] == (0, 1, 0, 0)
    assert await due_on(importing, BETWEEN) == 1


async def test_a_delta_of_academic_sessions_that_no_school_has_is_a_warning(importing: Importing) -> None:
    await importing.run(a_school())
    report = await importing.run(changes(with_terms(), "academicSessions"))

    assert {violation.code for violation in report.warnings} == {"no_school"}
    assert await importing.rows(tables.terms) == []


async def test_a_delta_class_names_a_stored_term(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    delta = changes(with_terms(None, SECOND), "classes")
    report = await importing.run(delta)

    assert report.warnings == ()
    assert [await due_on(importing, day) for day in (IN_FIRST, IN_SECOND)] == [0, 1]


async def test_a_deleted_term_no_longer_bounds_and_one_that_is_missing_stays(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    roster = with_terms(None, FIRST)
    for source_id in (SECOND, EARLY, LATE):
        roster.drop("academicSessions", source_id)
    assert counts(await importing.run(roster))["terms"] == (0, 0, 0, 2)
    assert await opening(importing) == [FIRST, SECOND]

    roster.row("academicSessions", FIRST)["status"] = "tobedeleted"
    report = await importing.run(roster)

    assert counts(report)["terms"] == (0, 0, 1, 1)
    assert places_and_codes(report.warnings) == [("classes.csv:2", "unknown_term")]
    assert set((await importing.spans()).values()) == {(None, None)}


async def test_an_enrolment_that_leaves_the_file_ends_today_and_not_with_its_term(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    roster = with_terms(None, FIRST)
    roster.drop("enrollments", "class-1-student-1")
    await importing.run(roster, allow_removals=True)
    longer = with_terms(None, FIRST)
    longer.drop("enrollments", "class-1-student-1")
    longer.row("academicSessions", FIRST)["endDate"] = "2024-12-01"
    await importing.run(longer)

    ends = {source: end for source, (_, end) in (await importing.spans()).items()}
    assert ends["class-1-student-1"] == importing.today
    assert ends["class-1-student-2"] == date(2024, 12, 1)


async def test_a_change_of_terms_makes_the_summaries_of_the_school_anew(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    await _summarised_run(importing)

    await importing.run(with_terms(None, FIRST))
    assert [row["summarised"] for row in await importing.rows(tables.batch_runs)] == [True]
    await importing.run(with_terms(None, SECOND))
    assert [row["summarised"] for row in await importing.rows(tables.batch_runs)] == [False]


async def test_days_are_marked_after_everything_else_so_that_nobody_waits_for_the_import(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    with statements_sent(importing.database) as sent:
        await importing.run(with_terms(None, SECOND))
    statements = [statement.lstrip() for statement, _ in sent]
    (marked,) = [number for number, each in enumerate(statements) if "summarised" in each]
    written = [each for each in statements[marked + 1 :] if each.startswith(("INSERT", "UPDATE", "DELETE"))]
    into = sorted(each.split()[:3] for each in written)  # asyncpg logs what is sent to it directly a moment later
    assert into == [["INSERT", "INTO", table] for table in ("audit_entries", "new_events")]  # which wait for nobody

    with statements_sent(importing.database) as sent:
        await importing.run(with_terms(None, FIRST), dry_run=True)
    assert count_of(sent, "summarised") == 0


@pytest.mark.parametrize(
    ("cells", "is_summarised"),
    [
        ({"beginDate": "2024-10-15"}, False),
        ({"beginDate": ""}, False),
        ({"beginDate": "2024-10-16"}, True),
        ({"beginDate": "2024-10-17"}, True),
        ({"beginDate": "2024-10-16", "endDate": "2024-11-01"}, True),
    ],
)
async def test_an_earlier_enrolment_makes_the_summaries_of_its_days_anew(
    importing: Importing, cells: dict[str, str], is_summarised: bool
) -> None:
    importing.today = date(2024, 11, 15)
    roster = a_school()
    enrolled = roster.row("enrollments", "class-1-student-1")
    enrolled["beginDate"] = "2024-10-16"
    await importing.run(roster)
    await _summarised_run(importing)
    enrolled |= cells

    await importing.run(roster)

    assert [row["summarised"] for row in await importing.rows(tables.batch_runs)] == [is_summarised]
    await importing.run(roster)


async def test_a_new_enrolment_of_a_past_day_makes_its_summary_anew(importing: Importing) -> None:
    roster = a_school()
    await importing.run(roster)
    await _summarised_run(importing)
    importing.today = date(2024, 11, 15)
    roster.tables["users"].append(user("late", "student", "Grace", "Hopper"))
    roster.tables["enrollments"].append(enrolment("class-1", "late", begin="2024-10-01"))

    await importing.run(roster)

    assert [row["summarised"] for row in await importing.rows(tables.batch_runs)] == [False]


async def _summarised_run(importing: Importing) -> None:
    (session,) = await importing.rows(tables.sessions)
    (school,) = await importing.rows(tables.schools)
    ids = SchoolIds(school["id"], session["class_id"], session["id"], [], 0)
    async with importing.database.transaction() as connection:
        await make_run(connection, ids, [], batch=Batch(session["class_id"], session["id"], IN_FIRST))
        ended = {"state": RunState.CLOSED.value, "ended_at": LATER, "summarised": True}
        await connection.execute(update(tables.batch_runs).values(ended))
