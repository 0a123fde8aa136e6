"""Tests latency against offered load: its figures, the decision that a queue grows, and the picture."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import curve, picture, report
from benchmarks.client import Response, Sent
from benchmarks.curve import Point
from benchmarks.figures import Figures
from benchmarks.scenarios.latency import KNEE_RATES, NAMES, RATES, arrivals, keeps_up, key, values_of


def sent_each(seconds: float, count: int, accepted_after: float) -> list[Sent]:
    return [
        Sent(Response(202, b""), due, due + accepted_after) for due in (number * seconds for number in range(count))
    ]


def figures_of(*rounds: dict[int, float]) -> Figures:
    """Adsum's figures with this growth at each rate, round by round. Each latency is a tenth of the rate."""
    figures = Figures()
    for number, growths in enumerate(rounds):
        for rate, growth in growths.items():
            values = dict.fromkeys(NAMES, rate / 10) | {"growth": growth, "refused": 0.0}
            figures.add(number, "adsum", {key(rate, name): value for name, value in values.items()})
    return figures


def test_latency_counts_from_the_scheduled_time() -> None:
    sent = sent_each(0.01, 300, 0.005)
    values = values_of(sent, [each.due + 0.02 for each in sent])

    assert values["accepted-p50"] == pytest.approx(5)
    assert values["completed-p99"] == pytest.approx(20)
    assert values["growth"] == 0


def test_a_queue_grows_if_each_class_takes_longer_than_the_time_between_two() -> None:
    sent = sent_each(0.010, 300, 0.005)
    values = values_of(sent, [(number + 1) * 0.012 for number in range(300)])

    assert values["growth"] == pytest.approx(0.2)
    assert not keeps_up(values["growth"], 0)


def test_a_refused_request_means_that_a_system_does_not_keep_up() -> None:
    assert keeps_up(0, 0)
    assert not keeps_up(0, 1)


def test_arrivals_are_the_same_for_each_system_and_have_the_offered_rate() -> None:
    times = arrivals(200, 20_000)
    assert times == arrivals(200, 20_000)
    assert times[-1] == pytest.approx(100, rel=0.03)
    assert min(later - earlier for earlier, later in pairwise(times)) > 0


def test_a_rate_counts_as_too_high_if_most_rounds_say_so() -> None:
    figures = figures_of({60: 0.0, 90: 0.0, 120: 0.5}, {60: 0.4, 90: 0.0, 120: 0.5}, {60: 0.0, 90: 0.0, 120: 0.0})
    measured = curve.points(figures, "adsum")

    assert [(point.rate, point.keeps_up) for point in measured] == [(60, True), (90, True), (120, False)]
    assert curve.knee(measured) == 90


def test_the_highest_rate_is_below_the_first_that_is_too_high() -> None:
    measured = curve.points(figures_of(dict.fromkeys(RATES, 0.0) | {KNEE_RATES[0]: 0.1, KNEE_RATES[1]: 0.0}), "adsum")
    assert curve.knee(measured) == RATES[-1]


def test_a_failed_check_voids_the_whole_curve() -> None:
    figures = figures_of(dict.fromkeys(RATES, 0.0))
    figures.void("adsum", [key(RATES[0], "growth")], ["a row is missing"])
    assert curve.points(figures, "adsum") == []


def test_the_table_has_no_percentile_for_a_queue_that_grows() -> None:
    tables = dict(curve.tables(figures_of({60: 0.0, 90: 0.5})))
    assert [row[2] for row in tables["POST to completed"][1:]] == ["6 and 6", "the queue grows"]


def test_a_report_of_latency_alone_leaves_the_other_page_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "DOCS", tmp_path)
    (tmp_path / "images").mkdir()
    report.write(figures_of({60: 0.0, 90: 0.5}), report.Run(1, "a machine", "versions", "today", ["no Node"]))

    page = (tmp_path / "latency.md").read_text(encoding="utf-8")
    assert "Adsum keeps up with 60 classes a second, 1,800 attendances." in page
    assert "| 90 | 2,700 | the queue grows |" in page
    assert "- **Not measured.** no Node." in page
    pictures = ["latency-accepted.svg", "latency-completed.svg"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [*pictures, "latency.md"]


def test_the_picture_draws_what_was_measured_and_crosses_for_the_rest() -> None:
    latencies = {"accepted-p50": 5.0, "accepted-p99": 5.0}
    drawn = picture.draw("Title", {"A": [Point(60, True, latencies), Point(90, False, latencies)]}, "accepted")

    root = ET.fromstring(drawn)
    assert root.tag.endswith("svg")
    assert drawn.count('class="cross first"') == 1
    assert drawn.count('class="first full" cx') == 2  # the legend, and 60 classes a second
    assert "prefers-color-scheme: dark" in drawn
    assert "http" not in drawn.replace('xmlns="http://www.w3.org/2000/svg"', "")  # loads nothing
