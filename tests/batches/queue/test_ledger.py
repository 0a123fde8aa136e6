"""The ledger's scripts: claim, settle, release, and the position of released runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from adsum.batches.queue.ledger import Ledger, Tickets
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.connection import QueueOutage
from tests.batches.queue.conftest import (
    BATCH,
    COMPLETED_TTL,
    FIRST,
    KEYS,
    LOCK_TTL,
    OTHER_BATCH,
    SECOND,
    claim,
    lifetimes,
    names,
    new_ledger,
    release,
    settle,
    tickets,
    values,
)
from tests.support.servers.valkey import tell

NOW = datetime(2024, 12, 25, 8, 30, tzinfo=UTC)


async def test_a_claim_creates_the_lock_the_counter_and_a_ticket_per_job(ledger: Ledger, redis: Redis) -> None:
    assert await claim(ledger, BATCH, FIRST, [1, 2, 3]) is None
    assert await values(redis) == {KEYS.lock: FIRST, KEYS.counter: "3"} | tickets(FIRST, 1, 2, 3)


async def test_the_keys_have_the_names_of_the_seed(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [7])
    assert sorted(await values(redis)) == [
        "attendance-batch-counter:class-123-session-456-date-25122024",
        "attendance-batch-lock:class-123-session-456-date-25122024",
        "student-7-session-456-date-25122024",
    ]


async def test_every_key_of_a_claim_expires_with_the_lock(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    assert set((await lifetimes(redis)).values()) <= {LOCK_TTL, LOCK_TTL - 1}


async def test_claiming_again_restores_no_settled_ticket(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await settle(ledger, BATCH, FIRST, [1])
    before = await values(redis)
    assert await claim(ledger, BATCH, FIRST, [1, 2]) is None
    assert await values(redis) == before


async def test_a_held_batch_is_not_claimed_by_another_run(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    before = await values(redis)
    assert await claim(ledger, BATCH, SECOND, [2, 3]) == FIRST
    assert await values(redis) == before


async def test_taking_over_a_lock_counts_nothing_and_drops_the_keys_of_its_holder(ledger: Ledger, redis: Redis) -> None:
    """The run's finished jobs must not be counted again."""
    await claim(ledger, BATCH, FIRST, [1, 2])
    assert await ledger.take_over(Tickets(BATCH, FIRST, [2, 3, 4], None), SECOND)
    assert await values(redis) == {KEYS.lock: SECOND} | tickets(FIRST, 1)
    assert await settle(ledger, BATCH, SECOND, [2, 3, 4]) is None
    assert await release(ledger, BATCH, SECOND, [2, 3, 4], completed_at=NOW)
    assert await values(redis) == {KEYS.marker: NOW.isoformat()} | tickets(FIRST, 1)


async def test_a_lock_is_taken_over_only_if_the_ended_run_still_holds_it(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, SECOND, [1])
    before = await values(redis)
    assert not await ledger.take_over(Tickets(BATCH, FIRST, [1], None), "third")
    assert await values(redis) == before


async def test_taking_over_from_a_completed_run_writes_its_marker(ledger: Ledger, redis: Redis) -> None:
    """No other process may write it: the one that closed the run may have died, and the next run may be cancelled."""
    await claim(ledger, BATCH, FIRST, [1])
    assert await ledger.take_over(Tickets(BATCH, FIRST, [1], NOW), SECOND)
    assert await values(redis) == {KEYS.lock: SECOND, KEYS.marker: NOW.isoformat()}


async def test_two_batches_are_independent(ledger: Ledger) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    assert await claim(ledger, OTHER_BATCH, SECOND, [1, 2]) is None
    assert await settle(ledger, BATCH, FIRST, [1]) == 1
    assert await settle(ledger, OTHER_BATCH, SECOND, [1, 2]) == 0


async def test_settling_removes_the_tickets_and_counts_them(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2, 3])
    assert await settle(ledger, BATCH, FIRST, [1, 3]) == 1
    assert await values(redis) == {KEYS.lock: FIRST, KEYS.counter: "1"} | tickets(FIRST, 2)


async def test_settling_twice_counts_once(ledger: Ledger) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2, 3])
    assert await settle(ledger, BATCH, FIRST, [1, 1, 2]) == 1
    assert await settle(ledger, BATCH, FIRST, [1, 2]) == 1


async def test_settling_the_last_chunk_again_returns_zero_again(ledger: Ledger) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    assert await settle(ledger, BATCH, FIRST, [1, 2]) == 0
    assert await settle(ledger, BATCH, FIRST, [1, 2]) == 0


async def test_a_late_worker_of_another_run_counts_nothing(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, SECOND, [1, 2])
    before = await values(redis)
    assert await settle(ledger, BATCH, FIRST, [1, 2]) is None
    assert await values(redis) == before


async def test_tickets_of_an_earlier_run_are_removed_and_not_counted(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await redis.delete(KEYS.lock)  # the key expired
    await claim(ledger, BATCH, SECOND, [2])
    assert await settle(ledger, BATCH, FIRST, [1, 2]) is None
    assert await values(redis) == {KEYS.lock: SECOND, KEYS.counter: "1"} | tickets(SECOND, 2)


async def test_a_lost_counter_reports_no_last_chunk(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await redis.delete(KEYS.counter)
    assert await settle(ledger, BATCH, FIRST, [1, 2]) is None
    assert await values(redis) == {KEYS.lock: FIRST}


async def test_settling_after_the_loss_of_all_keys_changes_nothing(ledger: Ledger, redis: Redis) -> None:
    assert await settle(ledger, BATCH, FIRST, [1, 2]) is None
    assert await values(redis) == {}


async def test_lost_tickets_are_not_counted(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await redis.delete(KEYS.ticket(1))
    assert await settle(ledger, BATCH, FIRST, [1, 2]) == 1


async def test_settling_renews_the_expiry_of_lock_and_counter(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    for name in (KEYS.lock, KEYS.counter):
        await redis.expire(name, 10)
    await settle(ledger, BATCH, FIRST, [1])
    left = await lifetimes(redis)
    assert min(left[KEYS.lock], left[KEYS.counter]) > 10


async def test_the_counter_stays_a_plain_integer_as_in_the_seed(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, range(1, 31))
    for student_id in range(1, 31):
        assert await settle(ledger, BATCH, FIRST, [student_id]) == 30 - student_id
        assert await redis.get(KEYS.counter) == str(30 - student_id)


async def test_a_release_leaves_only_the_completion_marker(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    assert await release(ledger, BATCH, FIRST, [1, 2], completed_at=NOW)
    assert await values(redis) == {KEYS.marker: "2024-12-25T08:30:00+00:00"}
    assert COMPLETED_TTL - 1 <= (await lifetimes(redis))[KEYS.marker] <= COMPLETED_TTL


async def test_an_incomplete_run_leaves_no_marker(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    assert await release(ledger, BATCH, FIRST, [1, 2], completed_at=None)
    assert await values(redis) == {}


async def test_a_release_removes_only_keys_of_its_run(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await redis.delete(KEYS.lock)  # the key expired
    await claim(ledger, BATCH, SECOND, [2, 3])
    assert not await release(ledger, BATCH, FIRST, [1, 2], completed_at=None)
    assert await values(redis) == {KEYS.lock: SECOND, KEYS.counter: "2"} | tickets(SECOND, 2, 3)


async def test_a_completed_run_is_marked_although_another_run_holds_the_batch(ledger: Ledger, redis: Redis) -> None:
    """The run was recorded while the lock of an ended run was still held."""
    await claim(ledger, BATCH, FIRST, [1])
    assert not await release(ledger, BATCH, SECOND, [1], completed_at=NOW + timedelta(microseconds=1))
    assert await release(ledger, BATCH, FIRST, [1], completed_at=NOW)
    assert await values(redis) == {KEYS.marker: "2024-12-25T08:30:00.000001+00:00"}


async def test_a_marker_of_another_type_is_ignored(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1])
    await redis.rpush(KEYS.marker, "theirs")  # pyright: ignore[reportGeneralTypeIssues]
    assert await release(ledger, BATCH, FIRST, [1], completed_at=NOW)
    assert await values(redis) == {KEYS.marker: NOW.isoformat()}


async def test_releasing_twice_changes_nothing(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1])
    await release(ledger, BATCH, FIRST, [1], completed_at=NOW)
    before = await values(redis)
    assert not await release(ledger, BATCH, FIRST, [1], completed_at=NOW)
    assert await values(redis) == before


async def test_scripts_are_sent_again_if_the_server_lost_them(ledger: Ledger, redis: Redis) -> None:
    await redis.script_flush()
    assert await claim(ledger, BATCH, FIRST, [1, 2]) is None
    await redis.script_flush()
    assert await settle(ledger, BATCH, FIRST, [1]) == 1
    await redis.script_flush()
    assert await release(ledger, BATCH, FIRST, [1, 2], completed_at=NOW)
    assert list(await values(redis)) == [KEYS.marker]


async def test_two_installations_on_one_server_are_independent(redis: Redis) -> None:
    one, other = new_ledger(redis, "{adsum-1}"), new_ledger(redis, "{adsum-2}")
    assert await claim(one, BATCH, FIRST, [1]) is None
    assert await claim(other, BATCH, SECOND, [1]) is None
    assert await settle(one, BATCH, FIRST, [1]) == 0
    await release(one, BATCH, FIRST, [1], completed_at=NOW)
    assert sorted(await values(redis)) == sorted(
        ["{adsum-1}" + KEYS.marker] + ["{adsum-2}" + name for name in (KEYS.lock, KEYS.counter, KEYS.ticket(1))]
    )


async def test_a_batch_of_ten_thousand_is_claimed_settled_and_released(ledger: Ledger, redis: Redis) -> None:
    students = range(1, 10_001)
    assert await claim(ledger, BATCH, FIRST, students) is None
    assert await settle(ledger, BATCH, FIRST, students) == 0
    assert await release(ledger, BATCH, FIRST, students, completed_at=NOW)
    assert list(await values(redis)) == [KEYS.marker]


async def test_a_corrupted_ledger_blocks_no_other(ledger: Ledger, redis: Redis) -> None:
    """The database has the counts of the corrupted ledger. Its batch is not released, since the holder is unknown."""
    for batch in (BATCH, OTHER_BATCH):
        await claim(ledger, batch, FIRST, [1, 2])
    await redis.delete(KEYS.lock)
    await redis.rpush(KEYS.lock, "theirs")  # pyright: ignore[reportGeneralTypeIssues]
    settlements = [Tickets(batch, FIRST, [1]) for batch in (BATCH, OTHER_BATCH)]
    assert await ledger.settle_all(settlements) == [None, 1]
    releases = [Tickets(batch, FIRST, [2], NOW) for batch in (BATCH, OTHER_BATCH)]
    assert await ledger.release_all(releases) == [False, True]


async def test_a_counter_that_is_not_a_number_counts_nothing(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await redis.set(KEYS.counter, "theirs", keepttl=True)
    assert await settle(ledger, BATCH, FIRST, [1]) is None


async def test_a_claim_overwrites_a_corrupted_ledger(ledger: Ledger, redis: Redis) -> None:
    for key in (KEYS.lock, KEYS.counter, KEYS.ticket(1)):
        await redis.rpush(key, "theirs")  # pyright: ignore[reportGeneralTypeIssues]
    assert await claim(ledger, BATCH, FIRST, [1]) is None
    assert await values(redis) == {KEYS.lock: FIRST, KEYS.counter: "1", KEYS.ticket(1): FIRST}


async def test_a_server_that_refuses_is_an_outage_and_settles_nothing(
    ledger: Ledger, redis: Redis, valkey: Valkey
) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    assert tell(valkey, "CONFIG SET min-replicas-to-write 1") == "+OK"
    try:
        with pytest.raises(QueueOutage):
            await settle(ledger, BATCH, FIRST, [1])
    finally:
        assert tell(valkey, "CONFIG SET min-replicas-to-write 0") == "+OK"
    assert await settle(ledger, BATCH, FIRST, [1]) == 1


async def test_scripts_lost_by_the_server_are_loaded_again(ledger: Ledger, valkey: Valkey) -> None:
    for _ in range(2):
        await claim(ledger, BATCH, FIRST, [1])
        assert tell(valkey, "SCRIPT FLUSH") == "+OK"
        assert await settle(ledger, BATCH, FIRST, [1]) == 0
        assert tell(valkey, "SCRIPT FLUSH") == "+OK"
        assert await release(ledger, BATCH, FIRST, [1], completed_at=None)


async def test_the_position_moves_only_if_it_is_the_expected_one_and_no_run_holds_its_lock(
    ledger: Ledger, redis: Redis
) -> None:
    shard, ended = ledger.shards[0], [(FIRST, BATCH), (SECOND, OTHER_BATCH)]
    assert await ledger.released_until(shard) == ""
    await claim(ledger, OTHER_BATCH, SECOND, [1])
    assert await ledger.move_released(shard, ended, "", "b") == [SECOND]
    assert await ledger.released_until(shard) == ""
    await release(ledger, OTHER_BATCH, SECOND, [1], completed_at=None)
    await claim(ledger, BATCH, SECOND, [1])  # a later run of this batch
    assert await ledger.move_released(shard, ended, "a", "b") == []
    assert await ledger.released_until(shard) == ""
    assert await ledger.move_released(shard, ended, "", "b") == []
    assert await ledger.released_until(shard) == "b"
    assert await redis.ttl("attendance-released-until") in {LOCK_TTL, LOCK_TTL - 1}


async def test_a_position_of_another_type_is_overwritten(ledger: Ledger, redis: Redis) -> None:
    for key in ("attendance-released-until", KEYS.lock):
        await redis.rpush(key, "theirs")  # pyright: ignore[reportGeneralTypeIssues]
    assert await ledger.released_until(ledger.shards[0]) == ""
    assert await ledger.move_released(ledger.shards[0], [(FIRST, BATCH)], "", "b") == []
    assert await ledger.released_until(ledger.shards[0]) == "b"


async def test_a_ticket_of_another_type_does_not_prevent_a_release(ledger: Ledger, redis: Redis) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await redis.delete(KEYS.ticket(1))
    await redis.rpush(KEYS.ticket(1), "theirs")  # pyright: ignore[reportGeneralTypeIssues]
    assert await release(ledger, BATCH, FIRST, [1, 2], completed_at=None)
    assert await names(redis) == [KEYS.ticket(1)]
