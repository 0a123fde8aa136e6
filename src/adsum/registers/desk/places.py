"""Whether an entry says something about where a student is that the entries and the on-site list do not say."""

from __future__ import annotations

from collections.abc import Sequence

from adsum.registers.desk.rules import DeskEntry, DeskSession, NewEntry, concerned_sessions
from adsum.registers.rules import DeskKind


def tells_place(new: NewEntry, sessions: Sequence[DeskSession], newest: DeskEntry | None, *, is_on_site: bool) -> bool:
    """Whether an entry that changes no session tells where the student is: it differs from the entry before it, or from
    the on-site list.

    If there is neither a mark nor an entry, a departure tells it as soon as a session has begun. The list does not know
    of a mark that is being saved.

    Args:
        new: the entry.
        sessions: of its day.
        newest: the entry before it.
        is_on_site: whether the list has the student on site at its time.
    """
    if newest is not None and newest.kind is not new.kind:
        return True
    begun = [each for each in concerned_sessions(sessions) if each.has_begun_by(new.time)]
    is_known = newest is not None or any(each.status is not None for each in begun)
    if new.kind is DeskKind.ARRIVAL:
        return is_known and not is_on_site
    return is_on_site or (bool(begun) and not is_known) or any(each.is_being_saved for each in begun)
