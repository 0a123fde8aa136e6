"""Where a student is by the marks and the entries of the day, as the on-site list decides it."""

from __future__ import annotations

from collections.abc import Sequence

from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.registers.desk.rules import DeskEntry, DeskKind, DeskSession, NewEntry, concerned_sessions


def tells_place(
    new: NewEntry, sessions: Sequence[DeskSession], newest: DeskEntry | None, statuses: SchoolStatuses
) -> bool:
    """Whether an entry that changes no session tells where the student is: a departure, unless the student is known to
    be away, and the arrival of a student who is. `newest`: the entry before it.
    """
    is_away = _is_away(new.time, sessions, newest, statuses)
    if new.kind is DeskKind.ARRIVAL:
        return is_away is True
    return is_away is False or (
        is_away is None and any(each.has_begun_by(new.time) for each in concerned_sessions(sessions))
    )


def _is_away(
    time: str, sessions: Sequence[DeskSession], newest: DeskEntry | None, statuses: SchoolStatuses
) -> bool | None:
    """Whether a student is away at a time by the mark of the last begun session and the newest entry up to then, as the
    on-site list decides it. None: there is neither.
    """
    marked = [each for each in concerned_sessions(sessions) if each.has_begun_by(time) and each.status is not None]
    if newest is not None and not (marked and _says_more(marked, newest, statuses)):
        return newest.kind is DeskKind.DEPARTURE
    if not marked:
        return None
    left_at = marked[-1].left_at
    if left_at is not None:
        return left_at <= time or marked[-1].status not in statuses.on_site_until_left
    return marked[-1].status not in statuses.on_site


def _says_more(marked: Sequence[DeskSession], newest: DeskEntry, statuses: SchoolStatuses) -> bool:
    """Whether a mark says something about a later moment than an entry."""
    begins, left_at = marked[-1].begins or "", marked[-1].left_at or ""
    if newest.kind is DeskKind.ARRIVAL:
        return begins > newest.time or left_at >= newest.time
    has_returned = any(each.has_arrived_since(newest.time) for each in marked)
    return has_returned or (begins >= newest.time and marked[-1].status in statuses.on_site)
