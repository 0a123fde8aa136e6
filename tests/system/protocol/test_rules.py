"""Each rule of the protocol is necessary: without it the search finds a violation. This also tests the search."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tests.system.protocol.configurations import (
    A_CORRECTION_BEFORE_AN_UPDATE,
    CALM_CANCEL_BETWEEN_TWO_WORKERS,
    CALM_RETRY,
    CALM_RETRY_BETWEEN_TWO_WORKERS,
    TWO_FAULTS,
)
from tests.system.protocol.rules import ALL, Rules
from tests.system.protocol.search import Configuration, Search

STUCK = "no final state is reachable from here"
LOCK_TAKEN = "is open, and its lock was taken away"
LEFT_OPEN = "the last worker of run 1 did not close it"

WITHOUT: dict[str, tuple[Configuration, str]] = {
    "one_open_run_a_batch": (CALM_CANCEL_BETWEEN_TWO_WORKERS, "two runs of the batch are open"),
    "commit_before_enqueueing": (CALM_RETRY_BETWEEN_TWO_WORKERS, "Redis has a run that the database does not have"),
    "insert_only_for_open_runs": (CALM_RETRY_BETWEEN_TWO_WORKERS, "run 1 is not open, and wrote"),
    "insert_only_without_a_record": (TWO_FAULTS, "run 1 overwrote an unexpected version"),
    "update_only_the_expected_version": (A_CORRECTION_BEFORE_AN_UPDATE, "run 1 overwrote an unexpected version"),
    "count_only_removed_tickets": (CALM_RETRY, "the counter is 0, and run 1 has 1 tickets"),
    "close_only_without_pending_jobs": (CALM_RETRY, "run 1 is closed, and not every job of it has an outcome"),
    "close_before_releasing": (CALM_RETRY_BETWEEN_TWO_WORKERS, LOCK_TAKEN),
    "release_only_keys_of_the_run": (CALM_RETRY_BETWEEN_TWO_WORKERS, LOCK_TAKEN),
    "mark_regardless_of_the_holder": (CALM_RETRY, "run 2 has completed, and no marker will be written"),
    "release_all_tickets_of_completely_recorded_runs": (CALM_RETRY_BETWEEN_TWO_WORKERS, STUCK),
    "claiming_again_changes_nothing": (CALM_RETRY, LEFT_OPEN),
    "claim_only_unheld_batches": (CALM_RETRY_BETWEEN_TWO_WORKERS, LOCK_TAKEN),
    "sweeper_claims_only_pending_jobs": (CALM_RETRY, LEFT_OPEN),
    "sweeper_claims_all_pending_jobs": (TWO_FAULTS, "the counter of run 1 is 0, although"),
    "sweeper_rescues_open_runs": (CALM_RETRY_BETWEEN_TWO_WORKERS, STUCK),
    "sweeper_releases_ended_runs": (A_CORRECTION_BEFORE_AN_UPDATE, STUCK),
}


def test_every_rule_is_disabled_once() -> None:
    assert list(WITHOUT) == [each.name for each in fields(Rules)]


@pytest.mark.parametrize("rule", WITHOUT)
def test_the_search_finds_a_violation_if_a_rule_is_disabled(rule: str) -> None:
    configuration, expected = WITHOUT[rule]
    problem = Search(configuration, replace(ALL, **{rule: False})).run().problem
    assert expected in problem.splitlines()[0]


def test_the_shortest_path_to_a_violation_is_listed_step_by_step() -> None:
    verdict = Search(CALM_RETRY_BETWEEN_TWO_WORKERS, replace(ALL, insert_only_for_open_runs=False)).run()
    first, *steps, state = verdict.problem.splitlines()
    assert first == "run 1 is not open, and wrote the record of student 0, at the step after these"
    assert [step[:6] for step in steps] == [f"{number:>4}. " for number in range(1, len(steps) + 1)]
    assert (steps[0][6:], steps[1][6:]) == ("SUBMISSION makes run 1", "submitter claims run 1")
    assert state.startswith("      State(runs=(2, 0), plans=((0,), (-1,))")
