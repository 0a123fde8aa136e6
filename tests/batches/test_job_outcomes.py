"""Reasons of a job's outcome."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.attendance.rules import Mark
from adsum.batches.job_outcomes import REASON_TEXTS, BatchJob, CurrentRecord, Reason, reason_of, reason_text
from adsum.batches.rules import OnExisting, Outcome
from adsum.platform.ids import Batch


@pytest.mark.parametrize(
    ("outcome", "failure", "is_kept", "is_update", "on_existing", "reason"),
    [
        (Outcome.RECORDED, None, False, False, OnExisting.SKIP, None),
        (Outcome.RECORDED, "worker_died", False, False, OnExisting.SKIP, None),
        (Outcome.PENDING, None, False, True, OnExisting.UPDATE, None),
        (Outcome.FAILED, "not_enrolled", False, False, OnExisting.SKIP, "not_enrolled"),
        (Outcome.CANCELLED, "cancelled", False, False, OnExisting.SKIP, "cancelled"),
        (Outcome.CANCELLED, None, False, False, OnExisting.SKIP, "cancelled"),
        (Outcome.SKIPPED, None, True, False, OnExisting.SKIP, "already_recorded"),
        (Outcome.SKIPPED, None, True, False, OnExisting.UPDATE, "unchanged"),
        (Outcome.SKIPPED, None, False, False, OnExisting.SKIP, "recorded_meanwhile"),
        (Outcome.SKIPPED, None, False, True, OnExisting.UPDATE, "changed_meanwhile"),
    ],
)
def test_an_outcome_has_its_reason(
    outcome: Outcome,
    failure: str | None,
    is_kept: bool,
    is_update: bool,
    on_existing: OnExisting,
    reason: str | None,
) -> None:
    found = reason_of(outcome, failure=failure, is_kept=is_kept, is_update=is_update, on_existing=on_existing)
    assert found == reason


def test_every_reason_has_a_text_and_an_unknown_code_is_spelled_out() -> None:
    assert REASON_TEXTS.keys() == set(Reason)
    assert reason_text("not_enrolled").startswith("the student was no longer enrolled")
    assert reason_text("struck_by_lightning") == "struck by lightning"


def test_without_marks_a_job_keeps_its_outcome() -> None:
    record = CurrentRecord(5, "absent", "ill", 2)
    batch = Batch(1, 2, date(2024, 12, 25))
    job = BatchJob(batch, 7, "run", Mark("absent", "ill"), Outcome.RECORDED, None, record)
    assert job.job_id == "student-7-session-2-date-25122024"
    assert job.without_marks() == BatchJob(batch, 7, "run", None, Outcome.RECORDED, None, None)
