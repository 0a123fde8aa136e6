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
    "A session counts for each student with a mark in its register, if the school was open. "
    "Late counts as attended, excused as absent."
)
_UNMARKED = Sentence("A student without a mark in a partly taken register counts as unmarked, and is in no rate.")
_RATE = Sentence("The rate is the share attended, of sessions and of days.")
_DAY = Sentence(
    "A day counts as absent if at least half of the time of its sessions with a mark was missed; if one of them has no "
    "times, at least half of these sessions."
)
_MINUTES = Sentence(
    "Minutes missed are those of absences, and those before an arrival and after a departure. A session without times "
    "has no minutes."
)
_ELSEWHERE = Sentence(
    "Days at other schools, such as a former school, count by student and by grade at the present school, unless that "
    "took a register with the student on the same day. Each other school counts its own days. If you cannot see a "
    "school, its days are in totals only."
)
_UNEXPLAINED = Sentence("Absences whose status is not authorised, one line per student and day.")


def _missed(missed_from: int | None) -> Definition:
    """The rule of a school by which a session counts as absent from a share of its minutes on, in percent."""
    if missed_from is None:
        return ()
    sentence = Sentence(
        "A session counts as absent, whatever its status, if at least %(percent)s%% of its minutes were missed.",
        {"percent": missed_from},
    )
    return (sentence,)


def definition_of_rates(missed_from: int | None) -> Definition:
    """The rule of attendance rates. `missed_from`: see `School.missed_from_percent`."""
    return (_COUNTED, *_missed(missed_from), _RATE, _DAY, _MINUTES, _UNMARKED, _ELSEWHERE)


def definition_of_chronic_absence(rule: ChronicRule, missed_from: int | None) -> Definition:
    """The rule of chronic absence."""
    first = Sentence(
        "Absent, excused or not, on at least %(percent)s%% of the days with a register, with at least %(days)s such "
        "days.",
        {"percent": rule.percent, "days": rule.least_days},
    )
    return (first, _DAY, _COUNTED, *_missed(missed_from), _MINUTES, _UNMARKED, _ELSEWHERE)


def definition_of_streaks(least_days: int, missed_from: int | None) -> Definition:
    """The rule of absences in a row."""
    first = Sentence(
        "Absent on each of the last %(days)s or more days with a register in the period.",
        {"days": least_days},
    )
    return (first, _DAY, _COUNTED, *_missed(missed_from), _UNMARKED, _ELSEWHERE)


def definition_of_unexplained(missed_from: int | None) -> Definition:
    """The rule of unexplained absences."""
    return (_UNEXPLAINED, _COUNTED, *_missed(missed_from), _UNMARKED)
