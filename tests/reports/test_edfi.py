"""A school year from the sample files of Ed-Fi: the reports agree with the files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from adsum.accounts.access import system_caller
from adsum.attendance.statuses.rules import CountsAs, Status, StatusFlag
from adsum.batches.marks_import.rules import MarksOptions, MarksReport
from adsum.platform.errors import Invalid
from adsum.platform.paging import PageRequest
from adsum.reports.rules import GroupBy, Scope
from adsum.wiring import Adsum
from tests.support.installation import RunWorker, adsum, ended, redis, settings, worker
from tests.support.schools import enrol, make_bare_school, make_class, make_session, make_student

__all__ = ["adsum", "redis", "settings", "worker"]

FOLDER = Path(__file__).parent / "edfi"
FIRST_DAY, LAST_DAY = date(2021, 8, 23), date(2022, 5, 27)
STATUSES = {"Excused Absence": "excused", "Unexcused Absence": "absent", "Tardy": "late", "Partial": "partial"}
HEADER = "class,session,student,date,status,note,arrivedAt"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database is enough: reports are counted by hand on both."""
    return sqlite_url


@dataclass(frozen=True, slots=True)
class Event:
    """A line of one of the files: a day in a school, or in a section of a school. Each section is a class here."""

    class_name: str
    student: str
    day: str
    category: str
    reason: str
    arrival: str

    @property
    def line(self) -> str:
        status = STATUSES[self.category]
        return f"{self.class_name},,{self.student},{self.day},{status},{self.reason},{self.arrival[:5]}"


@pytest.fixture
def events() -> list[Event]:
    return [
        *_events("student_school_attendance", "SchoolId"),
        *_events("student_section_attendance_tardy", "SectionIdentifier"),
    ]


def _events(name: str, class_column: str) -> list[Event]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            Event(
                row[class_column],
                row["StudentUniqueId"],
                row["EventDate"],
                row["AttendanceEventCategory"],
                row["AttendanceEventReason"],
                row.get("ArrivalTime", ""),
            )
            for row in csv.DictReader(file)
        ]


@pytest.fixture
async def school_id(adsum: Adsum, events: list[Event]) -> int:
    """A school whose students are in the classes of the files."""
    async with adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
        classes, students = dict[str, int](), dict[str, int]()
        for name in sorted({event.class_name for event in events}):
            classes[name] = await make_class(connection, school_id, source_id=name)
            await make_session(connection, classes[name])
        for name in sorted({event.student for event in events}):
            students[name] = await make_student(connection, school_id, given=name, family="", source_id=name)
        for class_name, student in sorted({(event.class_name, event.student) for event in events}):
            await enrol(connection, classes[class_name], [students[student]], begin=FIRST_DAY)
    partial = Status("partial", "Partly absent", "D", CountsAs.ABSENT, frozenset({StatusFlag.PARTIAL}))
    await adsum.statuses.add(school_id, partial, system_caller())
    return school_id


@pytest.mark.long
async def test_a_year_is_counted_as_in_the_files_and_their_one_contradiction_is_found(
    adsum: Adsum, school_id: int, events: list[Event], worker: RunWorker
) -> None:
    async def send(some: Sequence[Event]) -> MarksReport:
        content = "\n".join([HEADER, *(event.line for event in some)]).encode()
        return await adsum.marks_import.import_file(school_id, content, system_caller(), MarksOptions())

    with pytest.raises(Invalid) as refused:
        await send(events)
    # 604822 is excused on 2021-12-15, and partly there. It is the only mark of its kind: it is left out, then sent.
    (partly,) = [event for event in events if event.category == "Partial"]
    right = [event for event in events if event is not partly]
    async with worker():
        for batch in (await send(right)).batches:
            await ended(adsum, batch.batch_id)
    again = await send([partly])

    line = events.index(partly) + 2
    assert [(violation.pointer, violation.code) for violation in refused.value.violations] == [
        (f"marks.csv:{line}", "student_repeated")
    ]
    ((conflict,),) = [batch.conflicts for batch in again.batches]
    assert (conflict.recorded and conflict.recorded.status, conflict.requested.status) == ("excused", "partial")
    assert await _counted(adsum, school_id) == _expected(right)


def _expected(events: Iterable[Event]) -> dict[str, tuple[int, ...]]:
    """Returns by student the numbers of events, absences, excused absences and tardies."""
    by_student: dict[str, Counter[str]] = {}
    for event in events:
        by_student.setdefault(event.student, Counter())[STATUSES[event.category]] += 1
    return {
        student: (count.total(), count["excused"] + count["absent"], count["excused"], count["late"])
        for student, count in by_student.items()
    }


async def _counted(adsum: Adsum, school_id: int) -> dict[str, tuple[int, ...]]:
    scope, page = Scope(school_id, FIRST_DAY, LAST_DAY), PageRequest(limit=500)
    report = await adsum.reports.rates(scope, GroupBy.STUDENT, system_caller(), page)
    counts = {(rate.name or "").strip(): rate.counts for rate in report.items}
    return {name: (each.sessions, each.absent, each.authorised, each.late) for name, each in counts.items()}
