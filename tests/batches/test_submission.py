"""The digest of a request, and the response stored under its key."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.rules import OnExisting
from adsum.batches.run import MarkConflict
from adsum.batches.submission import BatchResult, Notice, Selection, StudentMark, Submission, result_of_json

ASKED = Submission(
    123,
    456,
    "2024-12-25",
    Selection(False, selected=[1, 2], unselected=[3], marks=[StudentMark(4, Mark("late", "bus"))]),
    roster_version="abc",
    idempotency_key="key",
)
marks = st.builds(Mark, st.text(max_size=8), st.none() | st.text(max_size=8))
existing = st.builds(RecordedMark, st.none() | st.text(max_size=8), st.none() | st.text(max_size=8), st.integers())
conflicts = st.builds(MarkConflict, st.integers(), st.none() | existing, marks)
notices = st.builds(Notice, st.text(max_size=8), st.text(max_size=8))
results = st.builds(
    BatchResult,
    conflicts=st.lists(conflicts, max_size=4).map(tuple),
    warnings=st.lists(notices, max_size=2).map(tuple),
)


def test_the_digest_of_a_request_is_stable_across_releases() -> None:
    """Databases store digests: a change refuses every key in use."""
    assert ASKED.digest() == "440346207afaaf28b856e7724234d94f4c38e73f0feec5f1f4b2d4425a02bf0b"


def test_the_key_is_not_part_of_the_digest() -> None:
    assert replace(ASKED, idempotency_key="other").digest() == ASKED.digest()


def test_lists_and_tuples_have_the_same_digest() -> None:
    selection = ASKED.selection
    same = replace(selection, selected=(1, 2), unselected=(3,), marks=tuple(selection.marks))
    assert replace(ASKED, selection=same).digest() == ASKED.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"class_id": 124},
        {"session_id": 457},
        {"learning_date": "2024-12-24"},
        {"on_existing": OnExisting.UPDATE},
        {"roster_version": None},
        {"force": True},
        {"reason": "so"},
        {"selection": replace(ASKED.selection, is_selected_all=True)},
        {"selection": replace(ASKED.selection, selected=[1])},
        {"selection": replace(ASKED.selection, unselected=[])},
        {"selection": replace(ASKED.selection, selected=[1, 2, 3], unselected=[])},
        {"selection": replace(ASKED.selection, marks=[])},
        {"selection": replace(ASKED.selection, marks=[StudentMark(5, Mark("late", "bus"))])},
        {"selection": replace(ASKED.selection, marks=[StudentMark(4, Mark("excused", "bus"))])},
        {"selection": replace(ASKED.selection, marks=[StudentMark(4, Mark("late", "ill"))])},
        {"selection": replace(ASKED.selection, marks=[StudentMark(4, Mark("late", "bus", arrived_at="08:10"))])},
    ],
)
def test_any_difference_in_the_request_changes_the_digest(change: dict[str, Any]) -> None:
    assert replace(ASKED, **change).digest() != ASKED.digest()


@given(results)
def test_a_stored_response_is_loaded_unchanged(result: BatchResult) -> None:
    assert result_of_json(json.loads(json.dumps(result.to_json()))) == replace(result, is_repeated=True)


def test_a_response_stored_by_an_older_version_has_no_warnings() -> None:
    stored = BatchResult("class-1-session-2-date-25122024", None, 1, 1, 0, "lock", "done", True, False).to_json()
    del stored["warnings"]
    assert result_of_json(stored).warnings == ()
