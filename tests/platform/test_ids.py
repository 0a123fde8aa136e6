"""Batch ids and job ids, in the seed's form."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.platform.ids import MAX_ID, Batch, formatted, parse_batch_id

ids = st.integers(min_value=1, max_value=MAX_ID)
batches = st.builds(Batch, ids, ids, st.dates())


def test_the_seeds_batch_has_the_seeds_id() -> None:
    assert Batch(123, 456, date(2024, 12, 25)).id == "class-123-session-456-date-25122024"


def test_a_job_has_the_seeds_id() -> None:
    assert Batch(123, 456, date(2024, 12, 25)).job_id(7) == "student-7-session-456-date-25122024"


def test_days_months_and_years_keep_their_zeros() -> None:
    assert formatted(date(987, 1, 2)) == "02010987"


@given(batches)
def test_a_batch_id_names_its_batch(batch: Batch) -> None:
    assert parse_batch_id(batch.id) == batch


@given(batches, batches)
def test_two_batches_never_share_an_id(one: Batch, other: Batch) -> None:
    assert (one == other) == (one.id == other.id)


@given(batches, ids)
def test_bullmq_refuses_no_id(batch: Batch, student_id: int) -> None:
    for name in (batch.id, batch.job_id(student_id)):
        assert ":" not in name
        assert not name.isdigit()


@given(st.text(alphabet="clasedtino-0123456789٣ \n"))
def test_any_other_text_is_not_a_batch_id(text: str) -> None:
    batch = parse_batch_id(text)
    assert batch is None or batch.id == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "class-123-session-456",
        "class-123-session-456-date-25122024\n",
        " class-123-session-456-date-25122024",
        "class-0-session-456-date-25122024",
        "class-0123-session-456-date-25122024",
        "class--1-session-456-date-25122024",
        "class-٣-session-456-date-25122024",
        "class-123-session-456-date-20241225",
        "class-123-session-456-date-29022025",
        "class-123-session-456-date-25120000",
        f"class-{MAX_ID + 1}-session-456-date-25122024",
        f"class-123-session-{MAX_ID + 1}-date-25122024",
        f"class-{'9' * 40}-session-456-date-25122024",
    ],
)
def test_a_text_that_resembles_a_batch_id_is_refused(text: str) -> None:
    assert parse_batch_id(text) is None


def test_the_largest_ids_are_valid() -> None:
    assert parse_batch_id(f"class-{MAX_ID}-session-{MAX_ID}-date-25122024") == Batch(MAX_ID, MAX_ID, date(2024, 12, 25))
