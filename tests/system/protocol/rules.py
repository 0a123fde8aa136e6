"""The rules of the protocol. Each can be disabled, to find the violation that it prevents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules are enabled, as in the product."""

    one_open_run_a_batch: bool = True
    commit_before_enqueueing: bool = True
    insert_only_for_open_runs: bool = True
    insert_only_without_a_record: bool = True
    update_only_the_expected_version: bool = True
    count_only_removed_tickets: bool = True
    close_only_without_pending_jobs: bool = True
    close_before_releasing: bool = True
    release_only_keys_of_the_run: bool = True
    mark_regardless_of_the_holder: bool = True
    release_all_tickets_of_completely_recorded_runs: bool = True
    claiming_again_changes_nothing: bool = True
    claim_only_unheld_batches: bool = True
    sweeper_claims_only_pending_jobs: bool = True
    sweeper_claims_all_pending_jobs: bool = True
    sweeper_rescues_open_runs: bool = True
    sweeper_releases_ended_runs: bool = True


ALL = Rules()
