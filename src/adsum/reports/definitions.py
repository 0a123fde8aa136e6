"""The sentences that define the numbers of each report. Every report carries its definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adsum.reports.rules import ChronicRule


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with placeholders such as `%(percent)s`, and their values. The pages translate the words."""

    words: str
    params: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def text(self) -> str:
        """The sentence in English."""
        return self.words % self.params


Definition = Sequence[Sentence]
"""The rule by which a report counts."""


def in_english(definition: Definition) -> str:
    """All sentences as one text."""
    return " ".join(sentence.text for sentence in definition)


_COUNTED = Sentence(
    "A session counts for a student who was expected in it once its register was taken and the school was open for it; "
    "late counts as attended, excused as absent."
)
_UNMARKED = Sentence("A student without a mark in a taken register is in no rate, and is counted as unmarked.")
_RATE = Sentence("The rate is the share that was attended, of sessions, and of days.")
_DAY = Sentence(
    "A day is absent when at least half of its taken session time was missed, by the timetable; where a session has no "
    "times, half of the sessions."
)
_MINUTES = Sentence(
    "The minutes missed are those of absences, and those before an arrival and after a departure; a session without "
    "times has no minutes."
)
_ELSEWHERE = Sentence(
    "A student's days at other schools, such as a former school, count by student and by grade at the present school, "
    "unless it took a register of theirs on that day. Another school counts its own days. A reader who does not see "
    "that school sees its days in sums only, not one by one."
)
_UNEXPLAINED = Sentence("Absences whose status is not authorised, one line per student and day.")


def _missed(missed_from: int | None) -> Definition:
    """The rule of a school by which a session counts as absent from a share of its minutes on, in percent."""
    if missed_from is None:
        return ()
    sentence = Sentence(
        "A session of which at least %(percent)s %% of the minutes were missed counts as absent, whatever its status.",
        {"percent": missed_from},
    )
    return (sentence,)


def definition_of_rates(missed_from: int | None) -> Definition:
    """The rule of attendance rates. `missed_from`: see `School.missed_from_percent`."""
    return (_COUNTED, *_missed(missed_from), _RATE, _DAY, _MINUTES, _UNMARKED, _ELSEWHERE)


def definition_of_chronic_absence(rule: ChronicRule, missed_from: int | None) -> Definition:
    """The rule of chronic absence."""
    first = Sentence(
        "Absent, excused included, on at least %(percent)s %% of the days on which a register of theirs was taken, "
        "with at least %(days)s such days.",
        {"percent": rule.percent, "days": rule.least_days},
    )
    return (first, _DAY, _COUNTED, *_missed(missed_from), _MINUTES, _UNMARKED, _ELSEWHERE)


def definition_of_streaks(least_days: int, missed_from: int | None) -> Definition:
    """The rule of absences in a row."""
    first = Sentence(
        "Absent on each of the newest %(days)s or more days of the period on which a register of theirs was taken.",
        {"days": least_days},
    )
    return (first, _DAY, _COUNTED, *_missed(missed_from), _UNMARKED, _ELSEWHERE)


def definition_of_unexplained(missed_from: int | None) -> Definition:
    """The rule of unexplained absences."""
    return (_UNEXPLAINED, _COUNTED, *_missed(missed_from), _UNMARKED)
