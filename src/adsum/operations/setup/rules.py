"""The steps of the setup of a school, and which of them are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """The steps, in the order in which a school takes them."""

    TIME_ZONE = "time_zone"
    SCHOOL_DAYS = "school_days"
    TERMS = "terms"
    TIMETABLE = "timetable"
    STATUSES = "statuses"
    PEOPLE = "people"
    REGISTER = "register"


class StepState(StrEnum):
    """`done`: Adsum sees it. `confirmed`: somebody says that it is done, or not needed."""

    OPEN = "open"
    DONE = "done"
    CONFIRMED = "confirmed"


DISMISSED = "all"
"""Stands for the whole checklist among the confirmed steps."""


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """The facts about the setup of a school.

    Attributes:
        changed_settings: names of settings that were changed, such as `time_zone`.
        has_terms, has_times, has_own_statuses: whether there are any.
        logins: teachers and office staff who can sign in.
        has_register: whether a register was ever saved.
        confirmed: steps that somebody has confirmed, and `DISMISSED`.
    """

    changed_settings: AbstractSet[str] = frozenset()
    has_terms: bool = False
    has_times: bool = False
    has_own_statuses: bool = False
    logins: int = 0
    has_register: bool = False
    confirmed: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Setup:
    """The checklist of a school. `is_dismissed`: the start page does not show it."""

    school_id: int
    steps: Mapping[Step, StepState]
    is_dismissed: bool

    @property
    def done(self) -> int:
        return sum(state is not StepState.OPEN for state in self.steps.values())

    @property
    def is_complete(self) -> bool:
        return self.done == len(self.steps)

    @property
    def is_shown(self) -> bool:
        return not self.is_dismissed and not self.is_complete


def setup_of(school_id: int, facts: SetupFacts) -> Setup:
    """The checklist for these facts."""
    visible: Sequence[tuple[Step, bool]] = (
        (Step.TIME_ZONE, "time_zone" in facts.changed_settings),
        (Step.SCHOOL_DAYS, "weekdays" in facts.changed_settings),
        (Step.TERMS, facts.has_terms),
        (Step.TIMETABLE, facts.has_times),
        (Step.STATUSES, facts.has_own_statuses),
        (Step.PEOPLE, facts.logins > 0),
        (Step.REGISTER, facts.has_register),
    )
    steps = {
        step: StepState.DONE if is_done else StepState.CONFIRMED if step in facts.confirmed else StepState.OPEN
        for step, is_done in visible
    }
    return Setup(school_id, steps, DISMISSED in facts.confirmed)
