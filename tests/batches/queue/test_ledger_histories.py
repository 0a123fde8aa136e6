"""Random histories of two runs on one ledger: claims, settles, releases, and losses of single keys or all keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis
from typing_extensions import override

from adsum.batches.queue.ledger import Ledger
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.shards import Shards
from tests.batches.queue.conftest import (
    BATCH,
    COMPLETED_TTL,
    FIRST,
    KEYS,
    LOCK_TTL,
    SECOND,
    claim,
    lifetimes,
    new_ledger,
    release,
    settle,
    values,
)
from tests.support.servers.valkey import tell, url_of

T = TypeVar("T")
STUDENTS = {FIRST: [1, 2, 3], SECOND: [2, 3, 4]}
NOW = datetime(2024, 12, 25, tzinfo=UTC)

runs = st.sampled_from([FIRST, SECOND])
students = st.lists(st.sampled_from([1, 2, 3, 4]), max_size=4)


class LedgerHistories(RuleBasedStateMachine):
    """Each run claims all of its students, as the service does. The model counts those settled since."""

    server: ClassVar[Valkey]
    open_ledger: ClassVar[Callable[[Redis], Ledger]] = staticmethod(new_ledger)

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.redis = open_redis(url_of(self.server), connections=2, socket_timeout=5)
        self.ledger: Ledger = type(self).open_ledger(self.redis)
        self.settled: set[int] = set()
        self.lost = False

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def found(self) -> dict[str, str]:
        return self.wait(values(self.redis))

    @override
    def teardown(self) -> None:
        self.wait(self.redis.aclose())
        self.loop.close()

    @initialize()
    def empty(self) -> None:
        assert tell(self.server, "FLUSHALL") == "+OK"

    @rule(run=runs)
    def claim(self, run: str) -> None:
        holder = self.found().get(KEYS.lock)
        refused = self.wait(claim(self.ledger, BATCH, run, STUDENTS[run]))
        if holder not in (None, run):
            assert refused == holder
            return
        assert refused is None
        if holder != run:
            self.settled, self.lost = set(), False

    @rule(run=runs, some=students)
    def settle(self, run: str, some: list[int]) -> None:
        before = self.found()
        remaining = self.wait(settle(self.ledger, BATCH, run, some))
        if before.get(KEYS.lock) != run:
            assert remaining is None
            return
        self.settled |= set(some) & set(STUDENTS[run])
        if not self.lost:
            assert remaining == len(set(STUDENTS[run]) - self.settled)
        elif remaining == 0:
            assert all(self.found().get(KEYS.ticket(each)) != run for each in STUDENTS[run])

    @rule(run=runs, completed=st.booleans())
    def release(self, run: str, completed: bool) -> None:
        before = self.found()
        held = self.wait(release(self.ledger, BATCH, run, STUDENTS[run], completed_at=NOW if completed else None))
        after = self.found()
        assert held == (before.get(KEYS.lock) == run)
        assert run not in after.values()
        if not held:
            marked = {KEYS.marker: NOW.isoformat()} if completed else {}
            assert after == {name: value for name, value in before.items() if value != run} | marked

    @rule()
    def everything_expires(self) -> None:
        assert tell(self.server, "FLUSHALL") == "+OK"

    @rule(student=st.sampled_from([1, 2, 3, 4]))
    def a_ticket_is_lost(self, student: int) -> None:
        self.lost |= tell(self.server, f"DEL {KEYS.ticket(student)}") == ":1"

    @rule()
    def the_scripts_are_forgotten(self) -> None:
        assert tell(self.server, "SCRIPT FLUSH") == "+OK"

    @invariant()
    def the_counter_is_how_many_tickets_the_holder_has(self) -> None:
        found = self.found()
        holder = found.get(KEYS.lock)
        assert (holder is None) == (KEYS.counter not in found)
        if holder is None:
            return
        owned = sum(value == holder and name.startswith("student-") for name, value in found.items())
        assert int(found[KEYS.counter]) >= owned if self.lost else int(found[KEYS.counter]) == owned

    @invariant()
    def every_key_has_a_time_to_live(self) -> None:
        assert all(seconds > 0 for seconds in self.wait(lifetimes(self.redis)).values())


@pytest.fixture
def histories(valkey: Valkey, redis_url: str) -> type[LedgerHistories]:
    LedgerHistories.server = valkey
    return LedgerHistories


def run_histories(histories: type[LedgerHistories], examples: int, *, shrink: bool = True) -> None:
    run_state_machine_as_test(
        histories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_every_history_of_two_runs_leaves_a_correct_count(histories: type[LedgerHistories], share: int) -> None:
    run_histories(histories, 60 // share)


class CountingWithoutTickets(Ledger):
    """A faulty ledger that counts each settle, including repeated ones."""

    def __init__(self, redis: Redis, **lifetimes: int) -> None:
        super().__init__(Shards.single(redis, ""), **lifetimes)
        safe = "    redis.call('DEL', KEYS[i])\n    taken = taken + 1\n  end"
        script = files("adsum.batches.queue").joinpath("settle.lua").read_text(encoding="utf-8")
        assert safe in script
        self._settle = redis.register_script(
            script.replace(safe, "    redis.call('DEL', KEYS[i])\n  end\n  taken = taken + 1")
        )


@pytest.mark.long
def test_histories_detect_counting_without_tickets(
    histories: type[LedgerHistories], monkeypatch: pytest.MonkeyPatch
) -> None:
    def weakened(redis: Redis) -> Ledger:
        return CountingWithoutTickets(redis, lock_ttl=LOCK_TTL, completed_ttl=COMPLETED_TTL)

    monkeypatch.setattr(histories, "open_ledger", staticmethod(weakened))
    with pytest.raises(AssertionError):
        run_histories(histories, 600, shrink=False)  # the search ends with the first violation
