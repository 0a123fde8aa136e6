"""Invariants after every step of any history."""

from __future__ import annotations

from collections.abc import Container
from itertools import pairwise

from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.rules import BatchStatus
from adsum.platform.ids import Batch
from tests.system.histories.facts import Facts
from tests.system.histories.redis_view import RedisContent


def check_counts(facts: Facts) -> None:
    """Each job has exactly one outcome, and ended runs store the counts of their rows."""
    assert facts.record_rows == len(facts.records), "a student has two records"
    assert len(facts.open_runs) <= 1, "two runs are open"
    for run in facts.runs.values():
        counts = facts.counts(run)
        assert counts.total() == run.total, "a job was counted twice or not at all"
        if run.final is not None:
            assert counts["pending"] == 0, f"an ended run has pending jobs: {run}"
            ended = tuple(counts[name] for name in ("recorded", "skipped", "failed", "cancelled"))
            assert run.final == ended, "an ended run has other counts than its rows"


def check_status(facts: Facts, status: BatchStatus) -> None:
    """The statuses that users see agree with the rows."""
    run = facts.newest
    assert run is not None
    counts, tally = facts.counts(run), status.tally
    assert (status.run_id, status.run_state) == (run.run_id, run.state)
    shown_counts = (tally.recorded, tally.skipped, tally.failed, tally.cancelled, tally.remaining)
    rows = tuple(counts[name] for name in ("recorded", "skipped", "failed", "cancelled", "pending"))
    assert shown_counts == rows, "users see other counts than the rows have"
    assert tally.total == run.total
    assert (tally.progress == 100) == (tally.remaining == 0)


def check_writes(before: Facts, after: Facts) -> None:
    """Only open runs add versions, and only to the versions that they loaded; ended runs do not change."""
    for student in after.records:
        old, new = before.versions(student), after.versions(student)
        assert new[: len(old)] == old, "a version was rewritten"
        assert [each.number for each in new] == list(range(1, len(new) + 1))
        assert all(later.before == earlier.status for earlier, later in pairwise(new))
        record = after.records[student]
        assert (new[-1].status, new[-1].number) == (record.status, record.number), "a change and its record differ"
        for made in new[len(old) :]:
            if made.run_id is not None:
                run = before.runs[made.run_id]
                assert run.state == "open", "a run that had ended wrote a record"
                assert run.jobs[student].get("version", 0) == made.number - 1, (
                    "a run overwrote a version that it had not loaded"
                )
                assert run.jobs[student]["status"] == made.status
    for run in before.runs.values():
        if run.final is not None:
            assert (after.runs[run.run_id].state, after.runs[run.run_id].final) == (run.state, run.final)
            assert after.outcomes(run) == before.outcomes(run), "the outcome of a job in an ended run changed"
        assert after.counts(run)["pending"] <= before.counts(run)["pending"], "a job is pending again"


def check_redis(batch: Batch, facts: Facts, content: RedisContent, *, swept: bool) -> None:
    """Each key has a time to live, and Redis has no runs that the database lacks."""
    keys = LedgerKeys("", batch)
    assert all(seconds >= 0 for seconds in content.lifetimes.values()), "a key has no time to live"
    holder = content.values.get(keys.lock)
    assert holder is None or holder in facts.runs
    if keys.marker in content.values:
        assert any(run.state == "closed" for run in facts.runs.values()), "the marker is before the database"
    if swept and holder is not None:
        assert facts.runs[holder].state == "open", "an ended run holds the lock, and the sweeper left it"


def check_lock(batch: Batch, facts: Facts, before: RedisContent, after: RedisContent) -> None:
    """An open run keeps its lock unless Redis loses keys."""
    name = LedgerKeys("", batch).lock
    held = before.values.get(name)
    if held is not None and facts.runs[held].state == "open":
        assert after.values.get(name) == held, "an open run lost its lock to another one"


def check_ledger(batch: Batch, facts: Facts, content: RedisContent, uncounted: Container[str]) -> None:
    """The counter of an open run equals its number of tickets, unless Redis has lost keys since its acceptance, or the
    run took over the lock of an ended run and so has neither.
    """
    keys = LedgerKeys("", batch)
    holder = content.values.get(keys.lock)
    if holder is not None and holder not in uncounted and facts.runs[holder].state == "open":
        owned = sum(owner == holder for name, owner in content.values.items() if name.startswith("student-"))
        assert int(content.values.get(keys.counter, -1)) == owned, "the counter differs from the tickets of its run"


def check_end(batch: Batch, facts: Facts, content: RedisContent, *, strictly: bool) -> None:
    """Each run has ended, and Redis has only the completion marker, if a run completed.

    After losses and repeated deaths a ticket, or a counter without a lock, may remain until it expires.
    """
    keys = LedgerKeys("", batch)
    assert facts.open_runs == []
    assert content.messages == []
    assert keys.lock not in content.values
    markers = {keys.marker} if any(run.state == "closed" for run in facts.runs.values()) else set[str]()
    assert not strictly or content.values.keys() == markers, content.values
