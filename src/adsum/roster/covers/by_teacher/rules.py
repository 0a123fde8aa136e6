"""The sessions that need a cover while a teacher is away, and which colleagues are free at their times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.roster.rules import NameOrder, name_order

MAX_DAYS = 14


@dataclass(frozen=True, slots=True)
class Teacher:
    """A teacher of a school whose login is not disabled."""

    id: int
    given_name: str
    family_name: str
    email: str | None

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip() or self.email or ""

    @property
    def order(self) -> NameOrder:
        return name_order(self.family_name or self.email or "", self.given_name, self.id)


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session that is held on a day. `times` are local 'HH:MM', in order; none: they are unknown."""

    session_id: int
    title: str
    class_id: int
    class_title: str
    times: tuple[tuple[str, str], ...]

    def overlaps(self, other: HeldSession) -> bool:
        """Whether both are held at one time. A session whose times are unknown lasts the whole day."""
        if not self.times or not other.times:
            return True
        return any(a < end and begin < b for a, b in self.times for begin, end in other.times)


@dataclass(frozen=True, slots=True)
class Duty:
    """A teacher teaches or covers a class on a day; `session_id` None: all of its sessions."""

    user_id: int
    class_id: int
    session_id: int | None
    is_cover: bool

    def includes(self, held: HeldSession) -> bool:
        return self.class_id == held.class_id and self.session_id in (None, held.session_id)


@dataclass(frozen=True, slots=True)
class FreeTeacher:
    """A teacher without a session at a time. `sessions`: how many they have on that day."""

    teacher: Teacher
    sessions: int


@dataclass(frozen=True, slots=True)
class CoverNeed:
    """A session of the teacher who is away.

    Attributes:
        day: of the session.
        held: the session.
        with_class: ids of colleagues who teach the class, too.
        covered_by: ids of teachers who cover the session already.
        free: teachers without a session at its time, those with the fewest sessions on that day first.
    """

    day: date
    held: HeldSession
    with_class: Sequence[int]
    covered_by: Sequence[int]
    free: Sequence[FreeTeacher]


@dataclass(frozen=True, slots=True)
class AwayPlan:
    """The sessions of a teacher over some days, in the order of their times, and the teachers of the school by id."""

    school_id: int
    teacher: Teacher
    needs: Sequence[CoverNeed]
    teachers: Mapping[int, Teacher]

    @property
    def open_needs(self) -> list[CoverNeed]:
        """The sessions that nobody covers, and that no colleague teaches together with the teacher who is away."""
        return [need for need in self.needs if not need.covered_by and not need.with_class]

    def suggestions(self) -> dict[tuple[date, int], int]:
        """A free teacher for each open session, by day and session id: nobody twice at one time, and first those with
        the fewest sessions on that day, covers included.
        """
        found: dict[tuple[date, int], int] = {}
        taken: dict[tuple[date, int], list[HeldSession]] = {}
        for need in self.open_needs:
            candidates = [
                (free.sessions + len(taken.get((need.day, free.teacher.id), ())), free.teacher.order, free.teacher.id)
                for free in need.free
                if not any(need.held.overlaps(each) for each in taken.get((need.day, free.teacher.id), ()))
            ]
            if candidates:
                *_, teacher_id = min(candidates)
                found[need.day, need.held.session_id] = teacher_id
                taken.setdefault((need.day, teacher_id), []).append(need.held)
        return found


def needs_of_day(
    day: date, away: int, held: Sequence[HeldSession], duties: Sequence[Duty], teachers: Iterable[Teacher]
) -> list[CoverNeed]:
    """The sessions of the teacher `away` on a day, with their covers and the teachers who are free."""
    by_class: dict[int, list[Duty]] = {}
    for duty in duties:
        by_class.setdefault(duty.class_id, []).append(duty)
    busy: dict[int, list[HeldSession]] = {}
    own: list[tuple[HeldSession, list[Duty]]] = []
    for each in held:
        of_session = [duty for duty in by_class.get(each.class_id, ()) if duty.includes(each)]
        for user_id in {duty.user_id for duty in of_session}:
            busy.setdefault(user_id, []).append(each)
        if any(duty.user_id == away for duty in of_session):
            own.append((each, of_session))
    others = [teacher for teacher in teachers if teacher.id != away]
    own.sort(key=lambda each: (each[0].times, each[0].class_title, each[0].session_id))
    return [_need(day, away, each, of_session, busy, others) for each, of_session in own]


def _need(
    day: date,
    away: int,
    held: HeldSession,
    duties: Sequence[Duty],
    busy: Mapping[int, Sequence[HeldSession]],
    others: Sequence[Teacher],
) -> CoverNeed:
    free = [
        FreeTeacher(teacher, len(busy.get(teacher.id, ())))
        for teacher in others
        if not any(held.overlaps(each) for each in busy.get(teacher.id, ()))
    ]
    return CoverNeed(
        day=day,
        held=held,
        with_class=sorted({duty.user_id for duty in duties if duty.user_id != away and not duty.is_cover}),
        covered_by=sorted({duty.user_id for duty in duties if duty.user_id != away and duty.is_cover}),
        free=sorted(free, key=lambda each: (each.sessions, each.teacher.order)),
    )
