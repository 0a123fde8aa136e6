"""Classes whose texts are unique, with every kind of data that an endpoint can return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import insert

from adsum.absences.contacts.rules import ContactResult, NewContact
from adsum.absences.rules import Absence
from adsum.accounts.access import Role
from adsum.attendance.correction_rules import Correction
from adsum.attendance.rules import Mark, RecordFilters
from adsum.batches.submission import Selection, StudentMark, Submission
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.registers.tables import desk_entries
from adsum.wiring import Adsum
from tests.support.installation import RunWorker, ended
from tests.support.schools import assign, caller, enrol, make_class, make_session, make_student, make_user


@dataclass(frozen=True, slots=True)
class Place:
    """A class with one row of each kind. `word` is part of all its texts, and of no other."""

    word: str
    school_id: int
    class_id: int
    session_id: int
    student_id: int
    teacher_id: int
    record_id: int
    absence_id: int
    batch_id: str
    run_id: str
    day: date

    @property
    def teacher_email(self) -> str:
        return f"{self.word}@example.com"

    @property
    def paths(self) -> dict[str, int | str]:
        """Ids in a path, by the preceding word."""
        return {
            "attendances": self.record_id,
            "absences": self.absence_id,
            "batch-status": self.batch_id,
            "batches": self.batch_id,
            "classes": self.class_id,
            "sessions": self.session_id,
            "students": self.student_id,
            "schools": self.school_id,
            "users": self.teacher_id,
            "keys": 1,
            "webhooks": 1,
        }

    @property
    def filters(self) -> dict[str, int | str]:
        """Values of filters, by the name of the parameter."""
        return {
            "schoolId": self.school_id,
            "classId": self.class_id,
            "sessionId": self.session_id,
            "studentId": self.student_id,
            "teacherId": self.teacher_id,
            "userId": self.teacher_id,
            "keyId": 1,
            "runId": self.run_id,
            "sourcedId": f"{self.word}-s",
            "q": self.word,
            "grade": f"{self.word}-grade",
        }


async def make_place(adsum: Adsum, worker: RunWorker, school_id: int, word: str, day: date) -> Place:
    """Creates a register that the office has taken, corrected and disputed, with a planned absence."""
    class_id, session_id, student_id, other_id, teacher_id = await _make_roster(adsum, school_id, word)
    office, teacher = caller(Role.OFFICE, school_id), caller(Role.TEACHER, school_id, teacher_id)
    entered = await adsum.absences.add([other_id], Absence(day, day, "excused", reason=f"{word}-reason"), office)
    marks = [StudentMark(student_id, Mark("late", f"{word}-note"))]
    submission = Submission(class_id, session_id, day.isoformat(), Selection(is_selected_all=True, marks=marks))
    result = await adsum.attendances.create_batch(submission, office)
    async with worker():
        await ended(adsum, result.batch_id)
    found = await adsum.records.page(office, RecordFilters(student_id=student_id), PageRequest())
    record_id = found.items[0].id
    noted = Correction(note=f"{word}-corrected", office_note=f"{word}-office", reason=f"{word}-why")
    await adsum.corrections.correct(record_id, None, noted, office)
    await adsum.corrections.correct(record_id, None, Correction(status="absent", note=f"{word}-said"), teacher)
    call = NewContact(ContactResult.REACHED, f"{word}-person", f"{word}-told")
    await adsum.contacts.add(student_id, day, call, office)
    await add_visit(adsum, school_id, student_id, word, day)
    run_id = result.run_id or ""
    batch_id = Batch(class_id, session_id, day).id
    absence_id = entered.absences[0].id
    return Place(
        word, school_id, class_id, session_id, student_id, teacher_id, record_id, absence_id, batch_id, run_id, day
    )


async def _make_roster(adsum: Adsum, school_id: int, word: str) -> tuple[int, int, int, int, int]:
    """The ids of a class, its session, its two students and its teacher."""
    async with adsum.database.transaction() as connection:
        class_id = await make_class(connection, school_id, title=f"{word}-class", source_id=f"{word}-c")
        session_id = await make_session(connection, class_id, title=f"{word}-session")
        names = {"given": f"{word}-given", "family": f"{word}-family", "grade": f"{word}-grade"}
        student_id = await make_student(connection, school_id, source_id=f"{word}-s", **names)
        other_id = await make_student(connection, school_id, source_id=f"{word}-t", **names)
        await enrol(connection, class_id, [student_id, other_id])
        teacher_id = await make_user(
            connection, Role.TEACHER, school_id, family_name=f"{word}-teacher", email=f"{word}@example.com"
        )
        await assign(connection, class_id, teacher_id)
    return class_id, session_id, student_id, other_id, teacher_id


async def add_visit(adsum: Adsum, school_id: int, student_id: int, word: str, day: date) -> None:
    """Enters a late arrival that changes no mark."""
    visit = {"school_id": school_id, "student_id": student_id, "day": day, "kind": "arrival", "time": "09:00"}
    visit |= {"reason": f"{word}-bus", "status": "absent", "runs": [], "entered_role": "office"}
    async with adsum.database.transaction() as connection:
        await connection.execute(insert(desk_entries).values(entered_at=adsum.now(), **visit))
