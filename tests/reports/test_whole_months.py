"""Summaries of months: for any period, reports give the same numbers as from single days."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from adsum.accounts.access import system_caller
from adsum.attendance.correction_rules import Correction
from adsum.attendance.corrections import Corrections
from adsum.platform.clock import system_clock
from adsum.platform.clock import system_clock as now
from adsum.platform.paging import PageRequest
from adsum.privacy.service import StudentData
from adsum.reports.rules import Counts, GroupBy, total, whole_months
from adsum.reports.tables import student_months
from tests.reports.conftest import Reported
from tests.support.statements import count_of, statements_sent

FIRST, LAST = date(2024, 9, 16), date(2024, 12, 13)
EACH_DAY = [FIRST + timedelta(days) for days in range(0, (LAST - FIRST).days + 1, 3)]
ASKED = [
    (FIRST, LAST),
    (date(2024, 9, 1), date(2024, 12, 31)),
    (date(2024, 10, 1), date(2024, 11, 30)),
    (date(2024, 10, 1), date(2024, 10, 31)),
    (date(2024, 10, 2), date(2024, 11, 30)),
    (date(2024, 10, 1), date(2024, 11, 29)),
    (date(2024, 10, 20), date(2024, 11, 10)),
]

OCTOBER: dict[str, Any] = {"first_day": date(2024, 10, 1), "last_day": date(2024, 10, 31)}

Marks = dict[tuple[int, date], str]


@pytest.mark.parametrize(
    ("first_day", "last_day", "months"),
    [
        ((2024, 9, 1), (2024, 9, 30), ((2024, 9, 1), (2024, 10, 1))),
        ((2024, 9, 1), (2024, 9, 29), None),
        ((2024, 9, 2), (2024, 9, 30), None),
        ((2024, 9, 2), (2024, 11, 5), ((2024, 10, 1), (2024, 11, 1))),
        ((2024, 11, 20), (2025, 1, 31), ((2024, 12, 1), (2025, 2, 1))),
        ((2024, 1, 31), (2024, 2, 29), ((2024, 2, 1), (2024, 3, 1))),
    ],
)
def test_whole_months_between_two_days(
    first_day: tuple[int, int, int], last_day: tuple[int, int, int], months: tuple[tuple[int, int, int], ...] | None
) -> None:
    expected = None if months is None else tuple(date(*each) for each in months)
    assert whole_months(date(*first_day), date(*last_day)) == expected


async def marked(reported: Reported, chance: random.Random) -> Marks:
    """Records a term with absences on consecutive days."""
    marks: Marks = {}
    last = ["present"] * len(reported.school.student_ids)
    for day in EACH_DAY:
        last = [status if chance.random() < 0.8 else chance.choice(("present", "absent", "excused")) for status in last]
        await reported.take(day, dict(enumerate(last)))
        marks |= {(reported.school.student_ids[place], day): status for place, status in enumerate(last)}
    return marks


def counted(marks: Marks, first_day: date, last_day: date) -> dict[int, Counts]:
    """Computes the same numbers from single marks."""
    of: defaultdict[int, list[Counts]] = defaultdict(list)
    for (student_id, day), status in marks.items():
        if first_day <= day <= last_day:
            absent, authorised = int(status != "present"), int(status == "excused")
            of[student_id].append(Counts(1, 1 - absent, absent, authorised, 0, 1, absent))
    return {student_id: total(each) for student_id, each in of.items()}


def in_a_row(marks: Marks, first_day: date, last_day: date) -> dict[int, tuple[int, date]]:
    """Students who are absent on the newest of these days: the number of days, and the first."""
    found: dict[int, tuple[int, date]] = {}
    ended: set[int] = set()
    for (student_id, day), status in sorted(marks.items(), key=lambda each: each[0][1], reverse=True):
        if not first_day <= day <= last_day or student_id in ended:
            continue
        if status == "present":
            ended.add(student_id)
        else:
            found[student_id] = found.get(student_id, (0, day))[0] + 1, day
    return found


async def reported_streaks(reported: Reported, first_day: date, last_day: date) -> dict[int, tuple[int, date]]:
    scope = replace(reported.scope(), first_day=first_day, last_day=last_day)
    report = await reported.reports.streaks(scope, 1, reported.office, PageRequest(limit=200))
    return {item.student_id: (item.days, item.since) for item in report.items}


async def test_whole_months_give_the_same_numbers_as_days(reported: Reported) -> None:
    marks = await marked(reported, random.Random(7))
    for first_day, last_day in ASKED:
        days: dict[str, Any] = {"first_day": first_day, "last_day": last_day}
        expected = counted(marks, first_day, last_day)
        assert await reported.counts(GroupBy.STUDENT, **days) == expected
        assert await reported.counts(GroupBy.GRADE, **days) == {None: total(expected.values())}
        assert await reported.counts(GroupBy.SCHOOL, **days) == {first_day: total(expected.values())}
        assert await reported_streaks(reported, first_day, last_day) == in_a_row(marks, first_day, last_day)


async def test_a_correction_changes_the_summary_of_the_month(reported: Reported) -> None:
    await reported.take(date(2024, 10, 7), {0: "present"})
    await reported.take(date(2024, 10, 8), {0: "present"})
    assert await reported_streaks(reported, *OCTOBER.values()) == {}

    await Corrections(reported.database, now).correct(2, None, Correction(status="absent"), system_caller())

    student_id = reported.school.student_ids[0]
    assert (await reported.counts(GroupBy.STUDENT, **OCTOBER))[student_id] == Counts(2, 1, 1, 0, 0, 2, 1)
    assert await reported_streaks(reported, *OCTOBER.values()) == {student_id: (1, date(2024, 10, 8))}


async def test_an_erased_student_is_in_no_summary_of_months(reported: Reported) -> None:
    await reported.take(date(2024, 10, 7), {0: "absent", 1: "present"})
    first, second, unmarked = reported.school.student_ids
    assert set(await reported.counts(GroupBy.STUDENT, **OCTOBER)) == {first, second, unmarked}

    await StudentData(reported.database, system_clock).erase(first, reported.office)

    async with reported.database.snapshot() as connection:
        assert list(
            await connection.scalars(student_months.select().with_only_columns(student_months.c.student_id))
        ) == [second]


async def test_a_month_is_added_up_once_for_any_number_of_changed_days(reported: Reported) -> None:
    for day in EACH_DAY:
        await reported.take(day, {0: "absent"})

    with statements_sent(reported.database) as sent:
        await reported.counts(GroupBy.STUDENT, first_day=FIRST, last_day=LAST)

    months = {day.replace(day=1) for day in EACH_DAY}
    assert count_of(sent, "INSERT INTO student_days") == len(EACH_DAY)
    assert count_of(sent, "INSERT INTO student_months") == len(months)
