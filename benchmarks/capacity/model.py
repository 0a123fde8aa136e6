"""Adsum as stations: API processes, workers, Postgres and Valkey on machines, with the costs that were measured.

A class is accepted by an API process: it looks up the caller, reads the class, inserts and commits, and sends to the
queue. A worker records it with one statement and one commit, and releases it with one script. Each of these trips is
made for a group of classes, as in `adsum.platform.coalescer`. So a round trip costs `fixed + n * each`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles

from adsum.batches.process import CHUNKS_AT_MOST
from adsum.platform.coalescer import REQUESTS_AT_MOST
from benchmarks.capacity.measured import Costs
from benchmarks.capacity.simulation import Cores, Group, Process, Simulation, Step, Task

# Of accepting: the caller, the class, the insert, the queue. Of recording: the statement, and the release.
ACCEPTING_TRIPS, RECORDING_TRIPS = 4, 2
# Of them, on Postgres.
ACCEPTING_ON_POSTGRES = 3
# Classes in a group, when the costs of many classes were measured: half of 64 clients wait while the others are served.
ACCEPTED_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds: of a round trip or all of them, and of each class in it."""

    fixed: float
    each: float

    def of(self, classes: int) -> float:
        return self.fixed + classes * self.each

    def share(self, trips: int) -> Cost:
        return Cost(self.fixed / trips, self.each / trips)


def fitted(lone: float, together: float, number: int) -> Cost:
    """The cost that is `lone` for one class, and `together` for each of `number` classes."""
    fixed = max(0.0, (lone - together) / (1 - 1 / number))
    return Cost(fixed, max(0.0, lone - fixed))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Costs by part, and percentiles (0 to 100) of the seconds that a class alone waits beyond its CPU time: for the
    disk, to wake up, for garbage collections.
    """

    accepting: dict[str, Cost]
    recording: dict[str, Cost]
    accepting_waits: Sequence[float]
    recording_waits: Sequence[float]
    client: float


def fit(costs: Costs) -> Fitted:
    """Takes costs apart into what a group costs, and each class in it."""
    lone_recording = {name: max(0.0, cost - costs.accept_lone.get(name, 0.0)) for name, cost in costs.lone.items()}
    accepting = {
        name: fitted(costs.accept_lone[name], costs.accept_flood[name], ACCEPTED_TOGETHER)
        for name in ("api", "postgres", "valkey")
    }
    recording = {
        name: fitted(lone_recording[name], costs.record_flood[name], CHUNKS_AT_MOST)
        for name in ("worker", "postgres", "valkey")
    }
    client = costs.accept_flood["client"]
    accepting_s = client + sum(cost.of(1) for cost in accepting.values())
    recording_s = sum(cost.of(1) for cost in recording.values())
    return Fitted(
        accepting,
        recording,
        [max(0.0, seconds - accepting_s) for seconds in costs.accepted_s],
        [max(0.0, seconds - recording_s) for seconds in costs.recorded_s],
        client,
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """Processes on machines. If `database_cores` is 0, everything is on one machine with `cores` cores.

    Attributes:
        machines: machines for API and workers.
        cores: cores of each.
        apis, workers: processes on each. Each worker serves one shard; each shard has at least one.
        database_cores: cores of the machine of Postgres.
        shards: processes of Valkey, each with a core of its own, unless everything is on one machine.
        network_s: seconds from one machine to another.
        has_client: whether the client that sends the load is on the same machine, as in the benchmark.
    """

    machines: int = 1
    cores: int = 2
    apis: int = 1
    workers: int = 1
    database_cores: int = 0
    shards: int = 1
    network_s: float = 0.0
    has_client: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Latencies in seconds; CPU seconds of the machines of API and workers; the busy share of each part from 0 to 1, of
    its busiest process or of all cores.
    """

    accepted: list[float]
    completed: list[float]
    seconds: float
    cpu_seconds: float
    busy: dict[str, float]

    @property
    def latencies_ms(self) -> dict[str, float]:
        """By the names of the benchmark."""
        values: dict[str, float] = {}
        for name, latencies in (("accepted", self.accepted), ("completed", self.completed)):
            cuts = quantiles(latencies, n=100)
            values |= {f"{name}-p50": cuts[49] * 1e3, f"{name}-p99": cuts[98] * 1e3}
        return values

    @property
    def cpu_ms(self) -> float:
        """CPU of a class, if everything is on one machine."""
        return self.cpu_seconds / len(self.completed) * 1e3

    @property
    def rate(self) -> float:
        """Completed classes a second."""
        return len(self.completed) / self.seconds


class Model:
    """One run of Adsum on a layout. A seed makes it repeatable."""

    def __init__(self, costs: Fitted, layout: Layout, seed: int = 1) -> None:
        self._costs = costs
        self._layout = layout
        self._random = Random(seed)
        self._simulation = Simulation()
        self._accepted: list[float] = []
        self._completed: list[float] = []
        self._machines = [Cores(self._simulation, layout.cores) for _ in range(layout.machines)]
        is_alone = not layout.database_cores
        self._postgres = self._machines[0] if is_alone else Cores(self._simulation, layout.database_cores)
        homes = self._machines * layout.shards if is_alone else self._single_cores(layout.shards)
        self._valkeys = [Process(home) for home in homes[: layout.shards]]
        self._client = Process(self._machines[0])
        self._apis = [_Api(self, machine) for machine in self._machines for _ in range(layout.apis)]
        self._workers: list[list[_Worker]] = [[] for _ in self._valkeys]
        for number in range(max(layout.machines * layout.workers, layout.shards)):
            shard = number % layout.shards
            machine = self._machines[number % layout.machines]
            self._workers[shard].append(_Worker(self, machine, self._valkeys[shard]))

    def _single_cores(self, number: int) -> list[Cores]:
        return [Cores(self._simulation, 1) for _ in range(number)]

    def offer(self, times: Sequence[float]) -> Outcome:
        """Classes arrive at these times, whatever the system does (open loop)."""
        for due in times:
            self._simulation.after(due, lambda: self._simulation.start(self._mark_class()))
        return self._outcome()

    def saturate(self, clients: int, classes: int) -> Outcome:
        """Each client sends its next class when the last is accepted (closed loop)."""
        todo = iter(range(classes))
        for _ in range(clients):
            self._simulation.start(self._mark_classes(todo))
        return self._outcome()

    def _outcome(self) -> Outcome:
        self._simulation.run()
        seconds = self._simulation.now
        processes = {"API": self._apis, "workers": [each for group in self._workers for each in group]}
        busy = {name: max(each.process.busy_seconds for each in some) for name, some in processes.items()}
        busy["Valkey"] = max(valkey.busy_seconds for valkey in self._valkeys)
        busy["machines"] = max(each.busy_seconds / each.cores for each in self._machines)
        busy["Postgres"] = self._postgres.busy_seconds / self._postgres.cores
        shares = {name: value / seconds for name, value in busy.items()}
        cpu_seconds = sum(machine.busy_seconds for machine in self._machines)
        return Outcome(self._accepted, self._completed, seconds, cpu_seconds, shares)

    def _mark_classes(self, todo: Iterator[int]) -> Task:
        for _ in todo:
            yield from self._mark_class()

    def _mark_class(self) -> Task:
        begin = self._simulation.now
        api = self._random.choice(self._apis)
        if self._layout.has_client:
            yield self._client.work(self._costs.client)
        yield from api.accept()
        self._accepted.append(self._simulation.now - begin)
        self._simulation.start(self._record(begin))

    def _record(self, begin: float) -> Task:
        worker = self._random.choice(self._random.choice(self._workers))
        yield from worker.record()
        self._completed.append(self._simulation.now - begin)

    def process_on(self, machine: Cores) -> Process:
        return Process(machine)

    def group(self, at_most: int, flush: Callable[[int], Task]) -> Group:
        return Group(self._simulation, at_most, flush)

    def trip(self, server: Step, wait: float) -> Task:
        """A round trip to a server: two ways, and the server's work."""
        yield self._simulation.pause(wait + self._layout.network_s)
        yield server
        if self._layout.network_s:
            yield self._simulation.pause(self._layout.network_s)

    def drawn(self, percentiles: Sequence[float]) -> float:
        """A value at random."""
        place = self._random.random() * (len(percentiles) - 1)
        low, high = percentiles[int(place) : int(place) + 2]
        return low + (high - low) * (place - int(place))

    def enqueue(self, classes: int) -> Step:
        cost = self._costs.accepting["valkey"]
        return self._random.choice(self._valkeys).work(cost.of(classes))

    @property
    def costs(self) -> Fitted:
        return self._costs

    @property
    def postgres(self) -> Cores:
        return self._postgres


class _Api:
    """An API process with its groups: callers, submissions, the queue."""

    def __init__(self, model: Model, machine: Cores) -> None:
        self.process = model.process_on(machine)
        self._model = model
        self._own = model.costs.accepting["api"]
        # Of the waits of a class, the commit has those that vary.
        self._wait = median(model.costs.accepting_waits) / ACCEPTING_TRIPS
        self._callers = model.group(REQUESTS_AT_MOST, lambda classes: self._ask_postgres(classes, self._wait))
        self._submissions = model.group(REQUESTS_AT_MOST, self._insert)
        self._queue = model.group(REQUESTS_AT_MOST, self._enqueue)

    def accept(self) -> Task:
        """A request: a third of its own work before, between and after the groups each."""
        part = self._own.each / 3
        yield self.process.work(part)
        yield self._callers.join
        yield self._submissions.join
        yield self.process.work(part)
        yield self._queue.join
        yield self.process.work(part)

    def _ask_postgres(self, classes: int, wait: float) -> Task:
        cost = self._model.costs.accepting["postgres"].share(ACCEPTING_ON_POSTGRES).of(classes)
        yield self.process.work(self._own.fixed / ACCEPTING_TRIPS)
        yield from self._model.trip(self._model.postgres.work(cost), wait)

    def _insert(self, classes: int) -> Task:
        """The read, and the insert with its commit."""
        yield from self._ask_postgres(classes, self._wait)
        others = (ACCEPTING_TRIPS - 1) * self._wait
        drawn = self._model.drawn(self._model.costs.accepting_waits)
        yield from self._ask_postgres(classes, max(0.0, drawn - others))

    def _enqueue(self, classes: int) -> Task:
        yield self.process.work(self._own.fixed / ACCEPTING_TRIPS)
        yield from self._model.trip(self._model.enqueue(classes), self._wait)


class _Worker:
    """A worker with its group of chunks, all of one shard."""

    def __init__(self, model: Model, machine: Cores, valkey: Process) -> None:
        self.process = model.process_on(machine)
        self._model = model
        self._valkey = valkey
        self._own = model.costs.recording["worker"]
        self._group = model.group(CHUNKS_AT_MOST, self._record)

    def record(self) -> Task:
        """A message is taken, recorded with others, and released with them."""
        yield self.process.work(self._own.each / 2)
        yield self._group.join

    def _record(self, classes: int) -> Task:
        costs = self._model.costs.recording
        own = Cost(self._own.fixed, self._own.each / 2).share(RECORDING_TRIPS).of(classes)
        wait = self._model.drawn(self._model.costs.recording_waits) / RECORDING_TRIPS
        for server in (
            self._model.postgres.work(costs["postgres"].of(classes)),
            self._valkey.work(costs["valkey"].of(classes)),
        ):
            yield self.process.work(own)
            yield from self._model.trip(server, wait)
