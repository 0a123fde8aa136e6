"""What was measured in each round, the medians of it, and how Adsum stands to its peers in the same rounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

OURS = {"adsum": "Postgres", "embedded": "SQLite"}
Place = tuple[str, str]
"""A measure, and whose."""


def _rounds() -> dict[Place, dict[int, float]]:
    return defaultdict(dict)


def _violations() -> dict[Place, list[str]]:
    return defaultdict(list)


@dataclass
class Figures:
    """One violation in one round makes the line void, and every ratio with it."""

    values: dict[Place, dict[int, float]] = field(default_factory=_rounds)
    violations: dict[Place, list[str]] = field(default_factory=_violations)

    def add(self, round_number: int, who: str, values: dict[str, float]) -> None:
        for measure, value in values.items():
            self.values[measure, who][round_number] = value

    def void(self, who: str, measures: Sequence[str], why: Sequence[str]) -> None:
        for measure in measures:
            self.violations[measure, who] += why

    @property
    def are_valid(self) -> bool:
        return bool(self.values) and not self.violations

    def whose(self, measure: str) -> list[str]:
        """Who has a line of this measure."""
        return list(dict.fromkeys(who for each, who in [*self.values, *self.violations] if each == measure))

    def line(self, measure: str, who: str) -> list[float] | None:
        """The value of each round, the lowest first; None: void."""
        place = (measure, who)
        return None if place in self.violations or place not in self.values else sorted(self.values[place].values())

    def ratio(self, measure: str, ours: str, who: str) -> float | None:
        """Ours by theirs: the median of the rounds in which both were measured."""
        if None in (self.line(measure, ours), self.line(measure, who)):
            return None
        us, them = self.values[measure, ours], self.values[measure, who]
        ratios = [us[number] / them[number] for number in us.keys() & them.keys() if them[number]]
        return median(ratios) if ratios else None
