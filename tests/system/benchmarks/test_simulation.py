"""Tests the simulation of the capacity plan against closed forms of queueing theory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import fmean

import pytest

from benchmarks.capacity.model import Cost, Fitted, Layout, Model, fitted
from benchmarks.capacity.plan import CLASS_SIZE, Peak, plan, students_at
from benchmarks.capacity.simulation import Cores, Group, Process, Simulation, Step, Task
from benchmarks.scenarios.latency import arrivals

NOTHING = Cost(0, 0)


def mean_response(service: Callable[[Simulation], Callable[[], Step]], rate: float, count: int = 30_000) -> float:
    """The mean time from an arrival at random to its end, in seconds."""
    simulation = Simulation()
    serve = service(simulation)
    taken: list[float] = []

    def arrive() -> Task:
        begin = simulation.now
        yield serve()
        taken.append(simulation.now - begin)

    for due in arrivals(rate, count):
        simulation.after(due, lambda: simulation.start(arrive()))
    simulation.run()
    assert len(taken) == count
    return fmean(taken)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7])
def test_one_process_with_constant_work_waits_as_in_m_d_1(load: float) -> None:
    measured = mean_response(lambda simulation: partial(Process(Cores(simulation, 1)).work, 1.0), load)
    assert measured == pytest.approx(1 + load / (2 * (1 - load)), rel=0.05)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7])
def test_work_that_shares_one_core_takes_as_long_as_in_m_g_1_processor_sharing(load: float) -> None:
    measured = mean_response(lambda simulation: partial(Cores(simulation, 1).work, 1.0), load)
    assert measured == pytest.approx(1 / (1 - load), rel=0.08)


@pytest.mark.parametrize(("count", "expected"), [(1, [5.0, 5.0]), (2, [3.0, 3.0])])
def test_work_shares_one_core_and_has_two_for_itself(count: int, expected: list[float]) -> None:
    """One piece of 3 seconds begins at once, one of 2 a second later: on one core, both have 2 left then."""
    simulation, ended = Simulation(), list[float]()
    cores = Cores(simulation, count)

    def work(seconds: float) -> Task:
        yield cores.work(seconds)
        ended.append(simulation.now)

    simulation.start(work(3))
    simulation.after(1, lambda: simulation.start(work(2)))
    simulation.run()

    assert ended == pytest.approx(expected)
    assert cores.busy_seconds == pytest.approx(5)


def test_what_arrives_during_a_flush_is_the_next_flush() -> None:
    simulation, sizes, ended = Simulation(), list[int](), list[float]()

    def flush(number: int) -> Task:
        sizes.append(number)
        yield simulation.pause(1)

    group = Group(simulation, 3, flush)

    def join() -> Task:
        yield group.join
        ended.append(simulation.now)

    for due in (0, 0.1, 0.2, 0.3, 0.4):
        simulation.after(due, lambda: simulation.start(join()))
    simulation.run()

    assert sizes == [1, 3, 1]
    assert ended == [1, 2, 2, 2, 3]


def line(api: float, worker: float) -> Fitted:
    """A line of two stations, without other costs or groups."""
    others = {"postgres": NOTHING, "valkey": NOTHING}
    accepting, recording = {**others, "api": Cost(0, api)}, {**others, "worker": Cost(0, worker)}
    return Fitted(accepting, recording, [0.0, 0.0], [0.0, 0.0], 0)


@pytest.mark.parametrize(("api", "worker"), [(0.004, 0.001), (0.001, 0.004)])
def test_a_saturated_line_of_two_stations_is_as_fast_as_its_slower_one(api: float, worker: float) -> None:
    outcome = Model(line(api, worker), Layout(cores=2)).saturate(clients=64, classes=2000)
    assert outcome.rate == pytest.approx(1 / max(api, worker), rel=0.02)


def test_a_saturated_line_on_one_core_takes_the_work_of_both_stations() -> None:
    outcome = Model(line(0.003, 0.002), Layout(cores=1)).saturate(clients=64, classes=2000)
    assert outcome.rate == pytest.approx(1 / 0.005, rel=0.02)
    assert outcome.busy["machines"] == pytest.approx(1, rel=0.02)


def test_one_class_alone_takes_the_sum_of_its_work_and_waits() -> None:
    costs = Fitted(
        {"api": Cost(0.005, 0.003), "postgres": Cost(0.004, 0.004), "valkey": Cost(0, 0.001)},
        {"worker": Cost(0.002, 0.002), "postgres": Cost(0.001, 0.001), "valkey": Cost(0, 0.001)},
        accepting_waits=[0.007, 0.007],
        recording_waits=[0.004, 0.004],
        client=0.001,
    )
    outcome = Model(costs, Layout(has_client=True)).saturate(clients=1, classes=1)

    accepted = 0.001 + 0.008 + 0.008 + 0.001 + 0.007
    assert outcome.accepted == [pytest.approx(accepted)]
    assert outcome.completed == [pytest.approx(accepted + 0.004 + 0.002 + 0.001 + 0.004)]


def test_a_group_costs_less_than_its_classes_one_by_one() -> None:
    cost = fitted(lone=10, together=4, number=4)
    assert cost == Cost(8, 2)
    assert cost.of(1) == 10
    assert cost.of(4) / 4 == 4
    assert fitted(lone=3, together=4, number=4) == Cost(0, 3)


def test_the_peak_of_a_normal_distribution_is_higher_than_the_mean_of_its_window() -> None:
    peak = Peak(1_000_000)
    assert peak.rate == pytest.approx(peak.classes / 900 * 1.596, rel=0.001)
    assert students_at(peak.rate) == pytest.approx(1_000_000)


def test_a_plan_has_machines_for_the_work_of_its_peak() -> None:
    """Of the API 3 ms a class, of the worker 1: with groups of one, 4 ms on at most 70 % of cores."""
    peak = Peak(10_000_000)
    found = plan(line(0.003, 0.001), peak)
    assert found.layout.machines * 4 * 0.7 >= peak.rate * 0.004
    assert (found.layout.database_cores, found.layout.shards) == (2, 1)
    assert peak.classes * CLASS_SIZE == 10_000_000
