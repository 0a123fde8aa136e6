"""The machines for a country's schools at eight o'clock: the smallest layout on which the simulated peak is served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, pi, sqrt

from benchmarks.capacity.measured import Costs
from benchmarks.capacity.model import Fitted, Layout, Model, Outcome, fit
from benchmarks.scenarios.latency import arrivals

# Registers of a day that are taken at eight o'clock, for each student; students of a class.
REGISTERS, CLASS_SIZE = 1, 27
# 95 % of all registers are taken within this time, the rest before and after (a normal distribution).
WINDOW_S = 15 * 60
COUNTRIES = (1_000_000, 10_000_000, 50_000_000)
SCHOOL_DAYS = 190
# No process and no machine is busier at the peak.
BUSY_AT_MOST = 0.7
# At the peak.
COMPLETED_P99_MS = 1_000
NETWORK_S = 0.0002
SIZES = {"small": (2, 8), "medium": (4, 16), "large": (8, 32)}
"""Cores and GB of a machine by its name."""
APP = "medium"
SIMULATED_CLASSES = 4_000


# Of all classes of a day, those of the busiest second: the height of a normal distribution, 95 % within the window.
PEAK_SHARE = 1 / (WINDOW_S / 4 * sqrt(2 * pi))


@dataclass(frozen=True, slots=True)
class Peak:
    """The registers of a number of students."""

    students: int

    @property
    def classes(self) -> float:
        return self.students * REGISTERS / CLASS_SIZE

    @property
    def rate(self) -> float:
        """Classes in the busiest second."""
        return self.classes * PEAK_SHARE


@dataclass(frozen=True, slots=True)
class Plan:
    """A layout that serves a peak, and the simulated outcome."""

    peak: Peak
    layout: Layout
    outcome: Outcome


def on_one_machine(costs: Costs, size: str) -> tuple[int, Outcome]:
    """Returns the highest rate, in tens of classes a second, that everything on one machine serves."""
    cores, _ = SIZES[size]
    layout = Layout(cores=cores, apis=cores // 2, workers=cores // 2)
    fitted, low, high = fit(costs), 0, 400
    best: Outcome | None = None
    while high - low > 1:
        middle = (low + high) // 2
        outcome = _simulate(fitted, layout, middle * 10)
        if _is_served(outcome):
            low, best = middle, outcome
        else:
            high = middle
    if best is None:
        raise ValueError("no rate is served")
    return low * 10, best


def plans(costs: Costs) -> Iterator[Plan]:
    for students in COUNTRIES:
        yield plan(fit(costs), Peak(students))


def plan(fitted: Fitted, peak: Peak) -> Plan:
    """Enlarges the busiest part until the peak is served."""
    cores, _ = SIZES[APP]
    layout = Layout(1, cores, cores // 2, cores // 2, database_cores=2, shards=1, network_s=NETWORK_S)
    while not _is_served(outcome := _simulate(fitted, layout, peak.rate)):
        layout = _enlarged(layout, outcome)
    return Plan(peak, layout, outcome)


def _simulate(fitted: Fitted, layout: Layout, rate: float) -> Outcome:
    return Model(fitted, layout).offer(arrivals(rate, SIMULATED_CLASSES))


def _is_served(outcome: Outcome) -> bool:
    limits = max(outcome.busy.values()) <= BUSY_AT_MOST
    return limits and outcome.latencies_ms["completed-p99"] <= COMPLETED_P99_MS


def _enlarged(layout: Layout, outcome: Outcome) -> Layout:
    """The busiest part becomes larger by as much as it is too busy, and by one step at least."""
    part = max(outcome.busy, key=lambda name: outcome.busy[name])
    factor = max(outcome.busy[part] / BUSY_AT_MOST, 1.01)
    match part:
        case "Postgres":
            return replace(layout, database_cores=2 * ceil(layout.database_cores * factor / 2 + 0.01))
        case "Valkey":
            return replace(layout, shards=ceil(layout.shards * factor))
        case _:
            return replace(layout, machines=ceil(layout.machines * factor))


def students_at(rate: float) -> float:
    """The students of whom a rate is the peak."""
    return rate / PEAK_SHARE * CLASS_SIZE / REGISTERS


def attendances(peak: Peak) -> float:
    """Attendances a second at the peak."""
    return peak.rate * CLASS_SIZE
