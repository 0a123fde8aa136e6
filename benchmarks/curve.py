"""Latency against offered load, from the figures of all rounds: as plain text, and as the tables of the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import Figures
from benchmarks.measures import NAMES
from benchmarks.scenarios import latency
from benchmarks.sizes import STUDENTS
from benchmarks.table import number

SYSTEMS = ("adsum", "seed")
STEPS = {"accepted": "POST to its answer", "completed": "POST to completed"}


@dataclass(frozen=True, slots=True)
class Point:
    """Medians of one system at one rate.

    Attributes:
        rate: classes a second.
        keeps_up: in most rounds. Otherwise a percentile has no meaning: it depends on how long one measures.
        latencies: milliseconds, by names such as `accepted-p50`.
    """

    rate: int
    keeps_up: bool
    latencies: dict[str, float]


def points(figures: Figures, system: str) -> list[Point]:
    """Returns the points of a system in ascending order; none if they are void."""
    return list(_points(figures, system))


def _points(figures: Figures, system: str) -> Iterator[Point]:
    for rate in (*latency.RATES, *latency.KNEE_RATES):
        if any((latency.key(each, "growth"), system) in figures.violations for each in latency.RATES):
            return
        values = {name: figures.values.get((latency.key(rate, name), system), {}) for name in latency.NAMES}
        if values["growth"]:
            medians = {name: median(values[name].values()) for name in latency.NAMES}
            yield Point(rate, latency.keeps_up(medians.pop("growth"), medians.pop("refused")), medians)


def knee(measured: list[Point]) -> int:
    """The highest rate, in classes a second, up to which a system keeps up with every rate; 0: with none."""
    highest = 0
    for point in measured:
        if not point.keeps_up:
            break
        highest = point.rate
    return highest


def tables(figures: Figures) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Returns each table with its title: a row for each rate, a column for each system."""
    measured = {system: {point.rate: point for point in points(figures, system)} for system in SYSTEMS}
    measured = {system: by_rate for system, by_rate in measured.items() if by_rate}
    rates = sorted({rate for by_rate in measured.values() for rate in by_rate})
    for step, title in STEPS.items():
        rows = [
            (f"{rate}", f"{rate * STUDENTS:,}", *(_cell(by_rate.get(rate), step) for by_rate in measured.values()))
            for rate in rates
        ]
        yield title, [("Classes/s", "Attendances/s", *(NAMES[system] for system in measured)), *rows]


def _cell(point: Point | None, step: str) -> str:
    if point is None:
        return "not measured"
    if not point.keeps_up:
        return "the queue grows"
    return f"{number(point.latencies[f'{step}-p50'])} and {number(point.latencies[f'{step}-p99'])}"


def show(figures: Figures) -> None:
    """Prints the curve, if it was measured."""
    for title, rows in tables(figures):
        if len(rows) > 1:
            print(f"\nLatency against offered load, {title}, p50 and p99, ms")
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            for row in rows:
                print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
