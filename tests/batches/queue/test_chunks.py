"""Messages of the queue: serialization, and parsing of any message."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.batches.queue.chunks import VERSION, Chunk, NewerChunk, UnreadableChunk, chunk_of, chunks_of
from tests.batches.queue.conftest import BATCH, FIRST, run_of

WHOLE = Chunk(BATCH, FIRST, 3)
SINGLE = Chunk(BATCH, FIRST, 3, student_id=7)
MESSAGE: dict[str, Any] = {"v": 1, "batchId": BATCH.id, "runId": FIRST, "chunk": 3}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
broken_fields = st.dictionaries(st.sampled_from(["v", "batchId", "runId", "chunk", "studentId"]), json_values)


@pytest.mark.parametrize("chunk", [WHOLE, SINGLE])
def test_a_message_is_parsed_as_it_was_written(chunk: Chunk) -> None:
    assert chunk_of(json.loads(json.dumps(chunk.to_message()["data"]))) == chunk


def test_a_message_contains_ids_and_no_personal_data() -> None:
    assert WHOLE.to_message()["data"] == MESSAGE


def test_a_chunk_id_contains_batch_run_and_number() -> None:
    assert WHOLE.message_id == f"{BATCH.id}-run-{FIRST}-chunk-3"


def test_the_message_of_a_single_student_has_the_seeds_job_id() -> None:
    assert SINGLE.message_id == "student-7-session-456-date-25122024"


@pytest.mark.parametrize("chunk", [WHOLE, SINGLE])
def test_message_ids_are_valid_in_bullmq(chunk: Chunk) -> None:
    assert ":" not in chunk.message_id
    assert not chunk.message_id.isdigit()


@pytest.mark.parametrize("chunk", [WHOLE, SINGLE])
def test_a_finished_message_is_removed(chunk: Chunk) -> None:
    assert chunk.to_message()["opts"] == {
        "jobId": chunk.message_id,
        "removeOnComplete": True,
        "removeOnFail": True,
    }


def test_messages_of_a_run_name_their_chunk_of_the_plan() -> None:
    assert chunks_of(run_of(FIRST, [1, 2], [3])) == [Chunk(BATCH, FIRST, 0), Chunk(BATCH, FIRST, 1)]


def test_messages_of_a_run_with_one_student_per_chunk_name_the_student() -> None:
    run = run_of(FIRST, [1], [3], by_student=True)
    assert chunks_of(run) == [Chunk(BATCH, FIRST, 0, student_id=1), Chunk(BATCH, FIRST, 1, student_id=3)]


@pytest.mark.parametrize("more", [{}, {"chunk": "of another form"}, {"marks": []}])
def test_a_newer_message_is_left_to_newer_workers(more: dict[str, Any]) -> None:
    with pytest.raises(NewerChunk):
        chunk_of({**MESSAGE, **more, "v": VERSION + 1})


def test_unknown_fields_of_a_message_are_ignored() -> None:
    assert chunk_of({**MESSAGE, "tenant": "x"}) == WHOLE


@pytest.mark.parametrize(
    "field",
    [
        {"v": "1"},
        {"v": 0},
        {"v": None},
        {"batchId": "class-1"},
        {"batchId": 7},
        {"runId": None},
        {"runId": ""},
        {"runId": "x" * 36},
        {"runId": "01930000000070008000000000000001"},
        {"chunk": -1},
        {"chunk": 2**31},
        {"chunk": "0"},
        {"chunk": True},
        {"studentId": "7"},
        {"studentId": True},
    ],
)
def test_a_damaged_message_is_unreadable(field: dict[str, Any]) -> None:
    with pytest.raises(UnreadableChunk):
        chunk_of(MESSAGE | field)


@pytest.mark.parametrize("data", [None, [], {}, "text", 7, {"v": 1}])
def test_a_foreign_message_is_unreadable(data: object) -> None:
    with pytest.raises(UnreadableChunk):
        chunk_of(data)


@given(broken_fields, json_values)
def test_any_message_is_a_chunk_newer_or_unreadable(fields: dict[str, Any], other: object) -> None:
    for data in (MESSAGE | fields, other):
        with suppress(NewerChunk, UnreadableChunk):
            assert isinstance(chunk_of(data), Chunk)
