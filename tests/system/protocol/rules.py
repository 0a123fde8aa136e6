"""The rules of the protocol. Each can be disabled, to find the violation that it prevents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules are enabled, as in the product."""

    one_open_run_a_batch: bool = True
    commit_before_queueing: bool = True
    insert_only_for_open_runs: bool = True
    insert_only_where_nothing_is: bool = True
    update_only_the_version_that_was_seen: bool = True
    count_only_who_gives_a_ticket: bool = True
    close_only_what_has_nothing_pending: bool = True
    close_before_releasing: bool = True
    release_only_what_the_run_holds: bool = True
    mark_whoever_holds_the_batch: bool = True
    release_all_tickets_of_what_was_recorded_whole: bool = True
    claiming_again_changes_nothing: bool = True
    claim_only_what_nobody_else_holds: bool = True
    sweeper_claims_only_what_is_pending: bool = True
    sweeper_claims_all_that_is_pending: bool = True
    sweeper_drives_open_runs: bool = True
    sweeper_releases_ended_runs: bool = True


ALL = Rules()
