"""Statuses as pages show them: the letter, the label, and the colour of what they count as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, Status, StatusFlag


@dataclass(frozen=True, slots=True)
class ShownStatus:
    """A status, with the class of the stylesheet that says what it counts as."""

    code: str
    label: str
    letter: str
    tone: str
    is_in_use: bool


def shown_statuses(statuses: SchoolStatuses) -> Mapping[str, ShownStatus]:
    """All statuses of a school by code, in its order; retired ones too, since history has them."""
    return {
        each.code: ShownStatus(each.code, each.label, each.letter, tone_of(each), each.is_in_use) for each in statuses
    }


def tone_of(status: Status) -> str:
    """`attended`, `late`, `absent`, `authorised` or `not_expected`."""
    if status.counts_as is CountsAs.ATTENDED and StatusFlag.LATE in status.flags:
        return "late"
    if status.counts_as is CountsAs.ABSENT and StatusFlag.AUTHORISED in status.flags:
        return "authorised"
    return status.counts_as.value
