"""Figures of each round, their medians, and the ratios of Adsum to its peers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

OURS = {"adsum": "Postgres", "embedded": "SQLite"}
Series = tuple[str, str]
"""A measure and a system."""


def _rounds() -> dict[Series, dict[int, float]]:
    return defaultdict(dict)


def _violations() -> dict[Series, list[str]]:
    return defaultdict(list)


@dataclass
class Figures:
    """Values by measure and system. A violation in one round voids the measure for that system, and its ratios."""

    values: dict[Series, dict[int, float]] = field(default_factory=_rounds)
    violations: dict[Series, list[str]] = field(default_factory=_violations)

    def add(self, round_number: int, system: str, values: dict[str, float]) -> None:
        for measure, value in values.items():
            self.values[measure, system][round_number] = value

    def void(self, system: str, measures: Sequence[str], why: Sequence[str]) -> None:
        for measure in measures:
            self.violations[measure, system] += why

    @property
    def are_valid(self) -> bool:
        return bool(self.values) and not self.violations

    def systems(self, measure: str) -> list[str]:
        """Returns the systems with a value or a violation for this measure."""
        return list(dict.fromkeys(system for each, system in [*self.values, *self.violations] if each == measure))

    def values_of(self, measure: str, system: str) -> list[float] | None:
        """Returns the values of all rounds in ascending order, or None if they are void."""
        series = (measure, system)
        return None if series in self.violations or series not in self.values else sorted(self.values[series].values())

    def ratio(self, measure: str, ours: str, system: str) -> float | None:
        """Returns the median of Adsum's value divided by the peer's, over the rounds in which both were measured."""
        if None in (self.values_of(measure, ours), self.values_of(measure, system)):
            return None
        own, others = self.values[measure, ours], self.values[measure, system]
        ratios = [own[number] / others[number] for number in own.keys() & others.keys() if others[number]]
        return median(ratios) if ratios else None
