"""The desk: late arrivals and early departures, and the marks that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import takewhile
from typing import Any

from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import ABSENT, PRESENT, CountsAs, SchoolStatuses, Status, StatusFlag
from adsum.platform.days import TIME, validate_stretch
from adsum.platform.errors import Violation
from adsum.platform.texts import validate_reason
from adsum.registers.rules import DeskKind, LocalTime


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry as it is made.

    Attributes:
        kind: whether the student arrives or leaves.
        student_id: the student.
        time: local 'HH:MM'.
        reason: which only the office reads.
        missed_status: the status of the sessions that the student misses; None: `absent` for an arrival, the first
            authorised absence in use for a departure.
    """

    kind: DeskKind
    student_id: int
    time: str
    reason: str
    missed_status: str | None = None


@dataclass(frozen=True, slots=True)
class DeskSession:
    """A session of a student on the day, with the recorded mark.

    Attributes:
        begins, ends: local 'HH:MM', of all its times on the day; None: its times are unknown, and it is held all day.
        status: the recorded mark, or the one that is being saved; None: there is none, or it was cleared.
        planned_status, absence_id: of the planned absence that applies, or None.
        is_set_by_office: whether the office set the mark by hand. False for the mark of a planned absence.
        is_being_saved: whether an open run is about to record the mark.
    """

    class_id: int
    class_title: str
    session_id: int
    title: str
    begins: str | None
    ends: str | None
    status: str | None = None
    arrived_at: str | None = None
    left_at: str | None = None
    planned_status: str | None = None
    absence_id: int | None = None
    is_set_by_office: bool = False
    is_being_saved: bool = False

    def is_over_by(self, time: str) -> bool:
        return self.ends is not None and self.ends <= time

    def has_begun_by(self, time: str) -> bool:
        """Whether it begins before this time. A student who arrives when it begins misses nothing of it."""
        return self.begins is None or self.begins < time

    def has_arrived_since(self, time: str) -> bool:
        """Whether an arrival at this time or later is recorded."""
        return self.arrived_at is not None and self.arrived_at >= time


@dataclass(frozen=True, slots=True)
class SessionMark:
    """A mark of a session."""

    class_id: int
    session_id: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class DeskMarks:
    """The marks and the planned absence that an entry makes.

    Attributes:
        marks: each is recorded by a batch of its own.
        absent_from: ids of the sessions of the planned absence; empty: there is none.
        are_recorded: whether some sessions have the marks already that the entry would make.
        reason: of the marks, in the history of their records; None: the edit window of the day is not over.
    """

    marks: Sequence[SessionMark]
    absent_from: Sequence[int] = ()
    are_recorded: bool = False
    reason: str | None = None

    @property
    def change_nothing(self) -> bool:
        """Whether no session changes."""
        return not self.marks and not self.absent_from

    def to_json(self) -> dict[str, Any]:
        """The form in `desk_entries.pending`."""
        marks = [
            {
                "classId": each.class_id,
                "sessionId": each.session_id,
                "status": each.mark.status,
                "arrivedAt": each.mark.arrived_at,
                "leftAt": each.mark.left_at,
            }
            for each in self.marks
        ]
        return {"marks": marks, "absentFrom": list(self.absent_from), "reason": self.reason}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> DeskMarks:
        """Reads the form that `to_json` writes."""
        marks = [
            SessionMark(
                each["classId"],
                each["sessionId"],
                Mark(each["status"], arrived_at=each["arrivedAt"], left_at=each["leftAt"]),
            )
            for each in stored["marks"]
        ]
        return cls(marks, tuple(stored["absentFrom"]), reason=stored["reason"])


@dataclass(frozen=True, slots=True)
class DeskRun:
    """A batch that an entry has made, and its run."""

    batch_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class DeskEntry:
    """An entry, and its author.

    Attributes:
        missed_status: the status of the sessions that the student misses.
        absence_id: the planned absence of a departure, or None.
        runs: the batches that record its marks.
        undone_at: when its undo began, or None.
        pending: the marks and the absence that are still to be recorded, some of them may be; None: all are. Of an
            undone entry: not None until all of it is set back.
    """

    id: int
    school_id: int
    student_id: int
    day: date
    kind: DeskKind
    time: str
    reason: str
    missed_status: str
    absence_id: int | None
    runs: Sequence[DeskRun]
    entered_at: datetime
    entered_by_role: str
    entered_by_user_id: int | None
    entered_by_key_id: int | None
    undone_at: datetime | None = None
    pending: DeskMarks | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all its marks have been submitted, and its absence is entered; or all of it is undone."""
        return self.pending is None


@dataclass(frozen=True, slots=True)
class DeskFilters:
    """Filters of entries; None does not filter. Days are inclusive."""

    school_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


def marks_of(new: NewEntry, sessions: Sequence[DeskSession], missed: str, statuses: SchoolStatuses) -> DeskMarks:
    """The marks of an entry in the sessions of its day, with the status `missed` of the missed ones."""
    if new.kind is DeskKind.ARRIVAL:
        return marks_of_arrival(sessions, new.time, missed, statuses)
    return marks_of_departure(sessions, new.time, missed, statuses)


def marks_of_arrival(sessions: Sequence[DeskSession], time: str, missed: str, statuses: SchoolStatuses) -> DeskMarks:
    """The marks of a student who arrives: `missed` in each session that is over, late in the running ones.

    Sessions up to the last one in which the student was seen stay as they are, and so do authorised absences. A
    session that begins at this time is not missed.
    """
    begun = [each for each in concerned_sessions(sessions) if each.has_begun_by(time)]
    seen = [
        i for i, each in enumerate(begun) if _counts_as(each, statuses) is CountsAs.ATTENDED and each.is_over_by(time)
    ]
    wanted: list[tuple[DeskSession, Mark]] = []
    late = _with_flag(StatusFlag.LATE, statuses)
    for each in begun[max(seen, default=-1) + 1 :]:
        if each.is_over_by(time):
            if each.status == missed:
                wanted.append((each, Mark(missed, arrived_at=each.arrived_at, left_at=each.left_at)))
            elif each.status is None or each.status in statuses.unexplained:
                wanted.append((each, Mark(missed)))
        elif _counts_as(each, statuses) is not CountsAs.ATTENDED:
            wanted.append((each, Mark(late.code, arrived_at=time)))
        elif each.status == late.code and each.arrived_at in {None, time}:
            wanted.append((each, Mark(late.code, arrived_at=time, left_at=each.left_at)))
    return _without_recorded(wanted)


def marks_of_departure(sessions: Sequence[DeskSession], time: str, missed: str, statuses: SchoolStatuses) -> DeskMarks:
    """The marks of a student who leaves: the departure in the running sessions, and the later ones as an absence.

    A running session in which the student is absent stays as it is. The absence changes the marks of teachers. It does
    not change marks of the office, so attended and unexplained ones of these are marked `missed`; nor those of other
    absences, which stay, because an undo of their correction would lose the absence.
    """
    running = [each for each in concerned_sessions(sessions) if each.has_begun_by(time) and not each.is_over_by(time)]
    later = missed_after(sessions, time)
    left = _with_flag(StatusFlag.LEFT_EARLY, statuses)
    wanted = [
        (each, Mark(left.code if left.code != PRESENT else each.status or PRESENT, None, each.arrived_at, time))
        for each in running
        if each.status is None or _counts_as(each, statuses) is CountsAs.ATTENDED
    ]
    wanted += [
        (each, Mark(missed))
        for each in later
        if each.is_set_by_office and each.status != missed and _is_attended_or_unexplained(each, statuses)
    ]
    return _without_recorded(wanted, [each.session_id for each in later])


def missed_after(sessions: Sequence[DeskSession], departed_at: str) -> list[DeskSession]:
    """The sessions that a student misses after a departure: those that have not begun, before the first of them with an
    arrival, in which the student has returned.
    """
    unbegun = (each for each in concerned_sessions(sessions) if not each.has_begun_by(departed_at))
    return list(takewhile(lambda each: not each.has_arrived_since(departed_at), unbegun))


def sessions_ended_by(
    arrival: DeskEntry, departure: DeskEntry, others: Sequence[DeskEntry], sessions: Sequence[DeskSession]
) -> set[int]:
    """The ids of the sessions from whose absence a departure is released by an arrival, and by none of the others."""
    back_at = min((each.time for each in others if each.time >= departure.time), default=None)
    unbegun = [each for each in sessions if not each.has_begun_by(arrival.time)]
    return {each.session_id for each in unbegun if back_at is None or each.has_begun_by(back_at)}


def awaited_session(new: NewEntry, sessions: Sequence[DeskSession]) -> DeskSession | None:
    """A session whose mark is being saved and decides which marks the entry makes: of an arrival one that has begun, of
    a departure a running one. None: there is none. The marks of later sessions are corrected when they are recorded.
    """
    begun = (each for each in concerned_sessions(sessions) if each.has_begun_by(new.time) and each.is_being_saved)
    return next((each for each in begun if new.kind is DeskKind.ARRIVAL or not each.is_over_by(new.time)), None)


def violation_of_nothing(new: NewEntry, sessions: Sequence[DeskSession]) -> Violation:
    """The violation of an entry that changes no session. It names the last begun session, whose mark stays."""
    begun = [each for each in concerned_sessions(sessions) if each.has_begun_by(new.time)]
    if new.kind is DeskKind.DEPARTURE:
        begun = [each for each in begun if not each.is_over_by(new.time)]
    if not begun:
        detail = f"at {new.time} there is no session of the student that this changes"
        return Violation("nothing_to_record", detail, "/time", {"time": new.time})
    stays = begun[-1]
    detail = (
        f"student {new.student_id} is already marked {stays.status} in {stays.title}: an entry at {new.time} changes "
        "no session"
    )
    params = {"time": new.time, "sessionId": stays.session_id, "sessionTitle": stays.title, "status": stays.status}
    return Violation("nothing_to_record", detail, "/time", params)


def concerned_sessions(sessions: Sequence[DeskSession]) -> Sequence[DeskSession]:
    """The sessions with times. If there are none, the register is that of the whole day."""
    return [each for each in sessions if each.begins is not None] or sessions


def default_status(kind: DeskKind, statuses: SchoolStatuses) -> str:
    """The status of missed sessions: unexplained for an arrival, the first authorised absence for a departure."""
    return next(iter(statuses.authorised_absences), ABSENT) if kind is DeskKind.DEPARTURE else ABSENT


def validate_entry(
    new: NewEntry, missed: str, statuses: SchoolStatuses, day: date, now: LocalTime
) -> Iterator[Violation]:
    """The violations in an entry of a day, with the status `missed` of the missed sessions, where it is `now`."""
    if day > now.day:
        detail = f"{day} is in the future: at the school it is {now.day}"
        yield Violation("date_in_future", detail, "/date", {"today": now.day.isoformat()})
    yield from validate_stretch(("/time", new.time), ("/time", None))
    if new.kind is DeskKind.ARRIVAL and day == now.day and TIME.fullmatch(new.time) and new.time > now.time:
        detail = f"{new.time} is in the future: at the school it is {now.time}"
        yield Violation("time_in_future", detail, "/time", {"now": now.time})
    if not new.reason.strip():
        yield Violation("reason_missing", "a reason is required", "/reason")
    yield from validate_reason(new.reason)
    violation = statuses.violation_of(missed, "/status")
    if violation is not None:
        yield violation
    elif statuses.get(missed) is None or _status(missed, statuses).counts_as is not CountsAs.ABSENT:
        yield Violation("not_absent", f"{missed} does not count as absent: use another status", "/status")


def field_of(pointer: str) -> str:
    """The field of an entry that a field of its batches or its planned absence is made from, as JSON pointers."""
    names = pointer.split("/")
    return next((own for name, own in _FIELDS.items() if name in names), "")


_FIELDS = {
    "studentId": "/studentId",
    "studentIds": "/studentId",
    "status": "/status",
    "arrivedAt": "/time",
    "leftAt": "/time",
    "reason": "/reason",
    "learningDate": "/date",
    "firstDay": "/date",
    "lastDay": "/date",
    "sessionId": "/date",
    "sessionIds": "/date",
}


def _without_recorded(wanted: Sequence[tuple[DeskSession, Mark]], absent_from: Sequence[int] = ()) -> DeskMarks:
    changed = [
        SessionMark(each.class_id, each.session_id, mark)
        for each, mark in wanted
        if (each.status, each.arrived_at, each.left_at) != (mark.status, mark.arrived_at, mark.left_at)
    ]
    return DeskMarks(changed, absent_from, are_recorded=len(changed) < len(wanted))


def _counts_as(session: DeskSession, statuses: SchoolStatuses) -> CountsAs | None:
    status = statuses.get(session.status) if session.status is not None else None
    return None if status is None else status.counts_as


def _is_attended_or_unexplained(session: DeskSession, statuses: SchoolStatuses) -> bool:
    return _counts_as(session, statuses) is CountsAs.ATTENDED or session.status in statuses.unexplained


def _with_flag(flag: StatusFlag, statuses: SchoolStatuses) -> Status:
    """The first status in use that counts as attended and has this flag; else present."""
    found = (each for each in statuses if each.is_in_use and each.counts_as is CountsAs.ATTENDED and flag in each.flags)
    return next(found, _status(PRESENT, statuses))


def _status(code: str, statuses: SchoolStatuses) -> Status:
    status = statuses.get(code)
    assert status is not None, "it was validated, or is one of every school"
    return status
