"""Merging two records of one student: what moves, and which record holds where both have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, cast

from adsum.accounts.access import Caller
from adsum.attendance.rules import DescribedRecord, RecordChange
from adsum.batches.run import STUDENT_KEY
from adsum.platform.errors import Conflict, Notice, Violation
from adsum.platform.texts import search_spellings, search_words
from adsum.roster.rules import StudentRow

# Of an object in a stored answer that is about a student: see docs/decisions/0024.
_NAMES_OF_STUDENT = frozenset({"studentId", "student_id"})


class ChoiceNeeded(Conflict):
    """Both have a record in some sessions, and the request does not choose. There is one violation for each."""

    code = "choice_needed"


class NamesNotConfirmed(Conflict):
    """The two records have different names, and the request does not say that they are one student all the same."""

    code = "names_not_confirmed"


class Prefer(StrEnum):
    """The record that is kept in a session in which both students have one."""

    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class RecordChoice:
    """The record that holds on a day, in one session or in all of them."""

    learning_date: date
    prefer: Prefer
    session_id: int | None = None

    @property
    def place(self) -> tuple[date, int | None]:
        return self.learning_date, self.session_id


@dataclass(frozen=True, slots=True)
class MergeChoices:
    """The choices of a merge: of a session and day, else of the day, else `prefer`; None: no choice.

    `allow_different_names`: the records are of one student although their names differ.
    """

    prefer: Prefer | None = None
    single: Sequence[RecordChoice] = ()
    allow_different_names: bool = False

    def of(self, day: date, session_id: int) -> Prefer | None:
        chosen = {choice.place: choice.prefer for choice in self.single}
        return chosen.get((day, session_id)) or chosen.get((day, None)) or self.prefer

    def are_those_of(self, merge: Merge) -> bool:
        """Whether a merge chose the same, as far as something is chosen here."""
        chosen = [(self.of(each.learning_date, each.session_id), each.prefer) for each in merge.doubles]
        is_same = all(prefer in (None, applied) for prefer, applied in chosen)
        return is_same and not list(self.violations(merge.doubles))

    def violations(self, doubles: Sequence[DoubleRecord]) -> Iterator[Violation]:
        """Choices that are repeated, and those of sessions and days on which only one of both has a record."""
        places = {(each.learning_date, session) for each in doubles for session in (each.session_id, None)}
        counts = Counter(choice.place for choice in self.single)
        for i, choice in enumerate(self.single):
            day = f"{choice.learning_date}" + (f" in session {choice.session_id}" if choice.session_id else "")
            if counts[choice.place] > 1:
                yield Violation("choice_repeated", f"there are several choices for {day}", f"/choices/{i}")
            elif choice.place not in places:
                detail = f"there is nothing to choose on {day}: not both have a record"
                yield Violation("nothing_to_choose", detail, f"/choices/{i}")


@dataclass(frozen=True, slots=True)
class SingleRecord:
    """One of two records of a session and day. A cleared mark has no status."""

    id: int
    status: str | None
    note: str | None
    arrived_at: str | None
    left_at: str | None
    office_note: str | None
    absence_id: int | None
    version: int
    marked_at: datetime
    marked_role: str
    user_id: int | None

    @classmethod
    def of(cls, record: DescribedRecord) -> SingleRecord:
        return cls(**{each.name: getattr(record, each.name) for each in fields(cls)})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SingleRecord:
        """Another release may have stored other fields. One that is missing is None."""
        values: dict[str, Any] = {each.name: stored.get(each.name) for each in fields(cls)}
        values["marked_at"] = datetime.fromisoformat(stored["marked_at"])
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"marked_at": self.marked_at.isoformat()}


@dataclass(frozen=True, slots=True)
class DoubleRecord:
    """A session and day on which both have a record. `prefer`: the one that holds; None: not chosen."""

    learning_date: date
    class_id: int
    class_title: str | None
    session_id: int
    session_title: str | None
    kept: SingleRecord
    removed: SingleRecord
    prefer: Prefer | None = None

    @classmethod
    def of(cls, kept: DescribedRecord, removed: DescribedRecord, choices: MergeChoices) -> DoubleRecord:
        place = {each: getattr(kept, each) for each in cls._place()}
        prefer = choices.of(kept.learning_date, kept.session_id)
        return cls(**place, kept=SingleRecord.of(kept), removed=SingleRecord.of(removed), prefer=prefer)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> DoubleRecord:
        place: dict[str, Any] = {each: stored[each] for each in cls._place()}
        place["learning_date"] = date.fromisoformat(stored["learning_date"])
        return cls(
            **place,
            kept=SingleRecord.from_json(stored["kept"]),
            removed=SingleRecord.from_json(stored["removed"]),
            prefer=Prefer(stored["prefer"]),
        )

    @staticmethod
    def _place() -> tuple[str, ...]:
        return ("learning_date", "class_id", "class_title", "session_id", "session_title")

    def to_json(self) -> dict[str, Any]:
        place = {each: getattr(self, each) for each in self._place()}
        records = {"kept": self.kept.to_json(), "removed": self.removed.to_json()}
        return place | {"learning_date": self.learning_date.isoformat(), "prefer": self.prefer} | records

    def violation(self) -> Violation:
        """The violation of a merge that does not choose."""
        where = ", ".join(filter(None, (self.class_title, self.session_title)))
        kept, removed = (record.status or "cleared" for record in (self.kept, self.removed))
        return Violation(
            "both_recorded",
            f"{self.learning_date}, {where}: both have a record, {kept} to keep and {removed} to remove",
            "/choices",
            {
                "learningDate": self.learning_date.isoformat(),
                "sessionId": self.session_id,
                "keep": self.kept.status,
                "remove": self.removed.status,
            },
        )

    def change(self, removed_id: int, author: Caller, at: datetime) -> RecordChange:
        """The change of the kept student's record to the mark of the removed one."""
        old, new = self.kept, self.removed
        office_notes = (old.office_note, new.office_note) if new.office_note is not None else (None, None)
        return RecordChange(
            version=old.version + 1,
            old_status=old.status,
            old_note=old.note,
            new_status=new.status,
            new_note=new.note,
            changed_at=at,
            changed_role=author.role.value,
            user_id=author.user_id,
            key_id=author.key_id,
            reason=f"student {removed_id} was merged into this one",
            run_id=None,
            old_arrived_at=old.arrived_at,
            old_left_at=old.left_at,
            new_arrived_at=new.arrived_at,
            new_left_at=new.left_at,
            old_office_note=office_notes[0],
            new_office_note=office_notes[1],
            absence_id=new.absence_id,
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """The numbers of rows that move to the kept student. `records` are those of sessions without a record of both."""

    records: int
    absences: int
    enrolments: int
    disputed_marks: int
    failures: int

    @classmethod
    def from_json(cls, stored: Mapping[str, int]) -> Moved:
        """Another release may have stored other numbers."""
        return cls(**{each.name: stored.get(each.name, 0) for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge. `merged_at` None: it is a preview.

    Attributes:
        student, removed: the record that stays, and the one that is merged into it.
        doubles: the sessions and days on which both have a record, by day.
        merged_role, user_id: the author.
        is_repeated: the request asked for a merge that had happened before; `ignores_choices`: with other choices.
    """

    student: StudentRow
    removed: StudentRow
    moved: Moved
    doubles: Sequence[DoubleRecord]
    merged_at: datetime | None = None
    merged_role: str | None = None
    user_id: int | None = None
    is_repeated: bool = False
    ignores_choices: bool = False

    def by(self, author: Caller, at: datetime) -> Merge:
        return replace(self, merged_at=at, merged_role=author.role.value, user_id=author.user_id)

    def repeated(self, choices: MergeChoices) -> Merge:
        """The answer to the same merge again."""
        return replace(self, is_repeated=True, ignores_choices=not choices.are_those_of(self))

    @property
    def has_different_names(self) -> bool:
        """Whether the names differ in more than case, accents, apostrophes and hyphens."""
        return _name_words(self.student).isdisjoint(_name_words(self.removed))

    def warnings(self) -> list[Notice]:
        """A preview warns of different names and schools; a repeated merge, of its repetition."""
        if self.merged_at is not None:
            if not self.is_repeated:
                return []
            author = f"{self.merged_role}" + ("" if self.user_id is None else f" (user {self.user_id})")
            merged = f"the records were merged on {self.merged_at:%Y-%m-%d at %H:%M} UTC by {author}"
            ignored = ": the choices of this request were not applied" if self.ignores_choices else ""
            return [Notice("already_merged", merged + ignored)]
        kept, removed, found = self.student, self.removed, list[Notice]()
        if self.has_different_names:
            detail = f"the names differ: {_full_name(kept)} ({kept.id}) and {_full_name(removed)} ({removed.id})"
            found.append(Notice("different_names", detail))
        if kept.school_id != removed.school_id:
            detail = f"the schools differ: {kept.school_id} of {kept.id} and {removed.school_id} of {removed.id}"
            found.append(Notice("different_schools", detail))
        return found

    def violations(self, choices: MergeChoices) -> list[Violation]:
        """The obstacles to the merge: unconfirmed names, and doubles without a choice."""
        undecided = [each.violation() for each in self.doubles if each.prefer is None]
        if choices.allow_different_names or not self.has_different_names:
            return undecided
        detail = next(each.detail for each in self.warnings() if each.code == "different_names")
        params = {"studentId": self.student.id, "removedStudentId": self.removed.id}
        return [Violation(NamesNotConfirmed.code, detail, "/allowDifferentNames", params), *undecided]


def _full_name(row: StudentRow) -> str:
    return f"{row.given_name} {row.family_name}".strip()


def _name_words(row: StudentRow) -> set[tuple[str, ...]]:
    """The spellings of a name, each as its sorted words: given and family name may be swapped."""
    return {tuple(sorted(search_words(spelling))) for spelling in search_spellings(_full_name(row))}


def with_kept_student(run: Mapping[str, Any], student_id: int, removed_id: int) -> dict[str, Any]:
    """The plan of an ended run after a merge. A job of the removed record is left out if the run names both."""
    named = {job[STUDENT_KEY] for chunk in run["plan"] for job in chunk} | set(run["kept"])
    if student_id in named:
        plan = [[job for job in chunk if job[STUDENT_KEY] != removed_id] for chunk in run["plan"]]
        return {**run, "plan": plan, "kept": [each for each in run["kept"] if each != removed_id]}
    plan = [
        [job | {STUDENT_KEY: student_id} if job[STUDENT_KEY] == removed_id else job for job in chunk]
        for chunk in run["plan"]
    ]
    return {**run, "plan": plan, "kept": [student_id if each == removed_id else each for each in run["kept"]]}


def answer_for_kept_student(answer: Any, student_id: int, removed_id: int) -> Any:
    """A stored answer after a merge: every object about the removed record is about the student."""
    if isinstance(answer, dict):
        return {
            name: student_id
            if name in _NAMES_OF_STUDENT and value == removed_id
            else answer_for_kept_student(value, student_id, removed_id)
            for name, value in cast("dict[str, Any]", answer).items()
        }
    if isinstance(answer, list):
        return [answer_for_kept_student(each, student_id, removed_id) for each in cast("list[Any]", answer)]
    return answer
