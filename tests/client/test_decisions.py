"""The decisions after each attempt, and while a batch is followed, without a network: both clients ask this code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

import httpx2
import pytest

from adsum.client import BatchTimeout, ClientError, ConnectionFailed, Problem, Retries, Unavailable, UnexpectedAnswer
from adsum.client.calls import BatchJobs, any_call, batch_status, correct_record, create_batch
from adsum.client.following import Following
from adsum.client.retries import Again, Answer, NoAnswer, decide
from adsum.client.session import Session
from adsum.client.values import BatchStatus, NewBatch, StudentMark

STATUS: dict[str, Any] = {
    "batchId": "class-1-session-1-date-25122024",
    "runId": "019dae57-4cbb-7a70-a571-3cf2c6ff6ba3",
    "state": "processing",
    "progress": 0,
    "totalJobs": 3,
    "recordedJobs": 0,
    "skippedJobs": 0,
    "failedJobs": 0,
    "cancelledJobs": 0,
    "remainingJobs": 3,
    "isCompleted": False,
    "isLocked": True,
    "lockStatus": "processing",
    "startedAt": "2024-12-25T07:30:00.123456Z",
    "completedAt": None,
    "aFieldOfLater": 1,
}
STREAM = httpx2.Headers({"Content-Type": "text/event-stream; charset=utf-8"})
REFUSED = NoAnswer(httpx2.ConnectError("refused"))
READ = batch_status("b")
# Values of a type that the annotations do not allow.
NINE: Any = time(9)
TEXT: Any = "7"
NUMBER: Any = 7
NOTHING: Any = None
ONCE = any_call("POST", "/keys", None, {}, None)


def answer(status: int, content: bytes = b"", **headers: str) -> Answer:
    return Answer(status, httpx2.Headers({name.replace("_", "-"): value for name, value in headers.items()}), content)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"learning_date": None}, "NewBatch.learning_date must be date or str, not None"),
        ({"learning_date": 20241225}, "NewBatch.learning_date must be date or str, not 20241225"),
        ({"class_id": "152"}, "NewBatch.class_id must be int, not '152'"),
        ({"session_id": True}, "NewBatch.session_id must be int, not True"),
        ({"is_selected_all": 1}, "NewBatch.is_selected_all must be bool, not 1"),
        ({"selected_student_ids": "12"}, "NewBatch.selected_student_ids must be a sequence of int, not '12'"),
        (
            {"learning_date": datetime(2024, 12, 25, tzinfo=UTC)},
            "NewBatch.learning_date must be date or str, not datetime",
        ),
        ({"selected_student_ids": b"12"}, "NewBatch.selected_student_ids must be a sequence of int, not b'12'"),
        ({"selected_student_ids": {1: 2}}, "NewBatch.selected_student_ids must be a sequence of int, not {1: 2}"),
        ({"selected_student_ids": None}, "NewBatch.selected_student_ids must be a sequence of int, not None"),
        ({"unselected_student_ids": [1, "2"]}, "NewBatch.unselected_student_ids[1] must be int, not '2'"),
        ({"marks": [{"studentId": 1}]}, "NewBatch.marks[0] must be StudentMark, not {'studentId': 1}"),
        ({"marks": [StudentMark(1, "late", arrived_at=NINE)]}, "StudentMark.arrived_at must be str or None, not "),
        ({"marks": [StudentMark(TEXT, "late")]}, "StudentMark.student_id must be int, not '7'"),
        ({"on_existing": None}, "NewBatch.on_existing must be str, not None"),
        ({"roster_version": 1}, "NewBatch.roster_version must be str or None, not 1"),
    ],
)
def test_a_value_of_a_wrong_type_is_named_before_anything_is_sent(wrong: dict[str, Any], named: str) -> None:
    right: dict[str, Any] = {"class_id": 1, "session_id": 2, "learning_date": date(2024, 12, 25)}
    with pytest.raises(TypeError, match=re.escape(named)):
        create_batch(NewBatch(**(right | wrong)), None)


def test_a_day_is_a_date_or_a_text_and_ids_are_any_iterable() -> None:
    ids: Any = {7}
    for day in (date(2024, 12, 25), "2024-12-25"):
        body = create_batch(NewBatch(1, 2, day, selected_student_ids=ids), None).json
        assert (body["learningDate"], body["selectedStudentIds"]) == ("2024-12-25", [7])


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (partial(correct_record, TEXT, 1, {}), "record_id must be int, not '7'"),
        (partial(correct_record, 7, NOTHING, {}), "version must be int, not None"),
        (partial(correct_record, 7, 1, TEXT), "correction must be Mapping, not '7'"),
        (partial(batch_status, NOTHING), "batch_id must be str, not None"),
        (partial(BatchJobs, NUMBER, None), "batch_id must be str, not 7"),
    ],
)
def test_other_arguments_of_a_wrong_type_are_named(call: Callable[[], object], named: str) -> None:
    with pytest.raises(TypeError, match=re.escape(named)):
        call()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def following(clock: Clock | None = None, timeout: float | None = None, attempts: int = 3) -> Following:
    return Following("b", timeout, Retries(attempts=attempts, first_pause=0.5), clock or Clock())


def event(state: str, settled: int) -> list[str]:
    data = json.dumps({**STATUS, "state": state, "remainingJobs": 3 - settled})
    return ["event: status", f"data: {data}", f"id: run:{settled}:{state}", ""]


def asked(**fields: Any) -> Answer:
    return answer(200, json.dumps({**STATUS, **fields}).encode())


def taken(follow: Following, lines: list[str]) -> list[str]:
    return [status.state for line in lines if (status := follow.line(line)) is not None]


@pytest.mark.parametrize("attempt", [1, 2, 3, 10])
def test_pauses_are_random_grow_and_are_bounded(attempt: int) -> None:
    retries = Retries(attempts=20, first_pause=0.5, longest_pause=30)
    pauses = [retries.pause_after(attempt) or 0.0 for _ in range(200)]
    longest = min(30, 0.5 * 2 ** (attempt - 1))
    assert 0 <= min(pauses) < max(pauses) <= longest
    assert max(pauses) > longest / 2


def test_a_pause_is_never_shorter_than_the_api_asks_for() -> None:
    retries = Retries(first_pause=0.5, longest_pause=30)
    assert all(20 <= (retries.pause_after(1, 20) or 0) <= 20.5 for _ in range(50))
    assert retries.pause_after(1, 31) is None
    assert retries.pause_after(6) is None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_refusal_that_may_pass_is_repeated(status: int) -> None:
    assert isinstance(decide(READ, answer(status), 1, Retries()), Again)
    with pytest.raises(Problem):
        decide(READ, answer(status), 6, Retries())


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 422, 500])
def test_any_other_refusal_is_final(status: int) -> None:
    with pytest.raises(Problem) as refused:
        decide(READ, answer(status), 1, Retries())
    assert refused.value.code == f"http_{status}"
    assert isinstance(refused.value, Unavailable) == (status == 500)


def test_a_request_that_may_be_executed_once_only_is_repeated_if_it_was_not_executed() -> None:
    assert isinstance(decide(ONCE, REFUSED, 1, Retries()), Again)
    assert isinstance(decide(ONCE, answer(429), 1, Retries()), Again)
    for outcome in (answer(503), NoAnswer(httpx2.ReadError(""))):
        with pytest.raises(ClientError):
            decide(ONCE, outcome, 1, Retries())


def test_the_seconds_of_a_refusal_are_kept_and_a_date_is_not_read() -> None:
    for text, seconds in (("60", 60.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)):
        with pytest.raises(Problem) as refused:
            decide(READ, answer(503, retry_after=text), 6, Retries())
        assert refused.value.retry_after == seconds


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b"", b'{"batchId": 1}'])
def test_an_answer_of_another_form_is_an_error_of_its_own(content: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match="GET /attendances/batch-status/b: "):
        decide(READ, answer(200, content), 1, Retries())


def test_a_long_problem_shows_its_first_violations() -> None:
    entries = ", ".join(
        f'{{"pointer": "/{n}", "detail": "is wrong", "code": "wrong_type", "params": {{}}}}' for n in range(12)
    )
    body = f'{{"code": "invalid", "detail": "12 errors", "params": {{}}, "errors": [{entries}]}}'.encode()
    with pytest.raises(Problem) as refused:
        decide(READ, answer(422, body, content_type="application/problem+json"), 1, Retries())
    lines = str(refused.value).splitlines()
    assert (lines[0], lines[1], len(lines)) == ("422 invalid: 12 errors", "  /0: is wrong", 12)
    assert (lines[-1], len(refused.value.errors)) == ("  and 2 more", 12)


def test_fields_of_a_later_version_are_ignored() -> None:
    status = BatchStatus.of(STATUS)
    assert (status.undone_jobs, status.has_ended, status.completed_at) == (0, False, None)


def test_a_stream_is_read_until_the_batch_has_ended() -> None:
    follow = following()
    assert (follow.listens, follow.pause()) == (True, 0.0)
    assert follow.opened(200, STREAM)
    lines = [*event("processing", 0), ": alive", "", *event("processing", 0), *event("processing", 2)]
    assert taken(follow, lines) == ["processing", "processing"]
    assert follow.last_id == "run:2:processing"
    assert taken(follow, event("completed", 3)) == ["completed"]
    assert (follow.has_ended, follow.listens) == (True, False)


def test_an_interrupted_stream_is_opened_again_with_half_an_event_forgotten() -> None:
    follow = following()
    follow.opened(200, STREAM)
    taken(follow, [*event("processing", 1), *event("processing", 2)[:2]])
    follow.lost(httpx2.ReadError(""))
    assert follow.listens
    assert 0 <= follow.pause() <= 0.25
    assert follow.opened(200, STREAM)
    assert follow.last_id == "run:1:processing"
    assert taken(follow, ["", *event("completed", 3)]) == ["completed"]


def test_refusals_of_a_stream_are_bounded_and_begin_again_after_a_line() -> None:
    follow = following(attempts=2)
    follow.lost(httpx2.ConnectError("refused"))
    assert follow.listens
    follow.opened(200, STREAM)
    follow.line(": alive")
    follow.interrupted()
    follow.refused(answer(503, retry_after="7"))
    assert 7 <= follow.pause() <= 7.5
    with pytest.raises(Unavailable):
        follow.refused(answer(503))


@pytest.mark.parametrize(
    "outcome",
    [
        answer(200, b"<html>"),
        answer(503, b'{"code": "too_many_listeners"}', retry_after="1"),
        NoAnswer(httpx2.ReadTimeout("")),
    ],
    ids=["a page", "too many listeners", "silence"],
)
def test_without_a_stream_the_status_is_asked_for(outcome: Answer | NoAnswer) -> None:
    follow = following()
    follow.refused(outcome)
    assert (follow.listens, follow.pause()) == (False, 0.0)
    assert follow.answered(asked()) == BatchStatus.of(STATUS)
    pauses: list[float] = []
    for _ in range(7):
        assert follow.answered(asked()) is None
        pauses.append(follow.pause())
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert follow.answered(asked(recordedJobs=1)) is not None


def test_refused_questions_are_bounded_and_begin_again_after_an_answer() -> None:
    follow = following(attempts=3)
    for _ in range(3):
        assert follow.answered(REFUSED) is None
        assert follow.answered(answer(503, retry_after="7")) is None
        assert 7 <= follow.pause() <= 8
        follow.answered(asked())
    follow.answered(REFUSED)
    follow.answered(REFUSED)
    with pytest.raises(ConnectionFailed):
        follow.answered(REFUSED)


def test_an_outage_does_not_go_beyond_the_deadline() -> None:
    clock = Clock()
    follow = following(clock, timeout=10)
    follow.answered(answer(503, retry_after="20"))
    assert follow.pause() == 10
    clock.now += 10
    with pytest.raises(BatchTimeout):
        follow.pause()


def test_the_last_seconds_before_a_deadline_are_spent_asking() -> None:
    clock = Clock()
    follow = following(clock, timeout=60)
    assert follow.listens
    clock.now += 41
    assert not follow.listens
    follow.answered(asked())
    clock.now += 18.95
    assert follow.pause() == pytest.approx(0.05)
    clock.now += 0.05
    with pytest.raises(BatchTimeout):
        follow.pause()


def test_students_are_collected_again_if_another_run_begins_between_two_pages() -> None:
    def page(run: str, students: list[int], cursor: str | None) -> dict[str, Any]:
        job = {"jobId": "j", "runId": run, "status": None, "note": None, "outcome": "failed", "recorded": None}
        items = [{**job, "studentId": each, "reason": None} for each in students]
        return {"runId": run, "jobs": {"items": items, "nextCursor": cursor}}

    found = BatchJobs("b/1", None)
    first = found.call
    assert first is not None
    assert first.path == "/attendances/batches/b%2F1"
    found.take(page("one", [1, 2], "next"))
    assert found.call is not None
    assert found.call.params["cursor"] == "next"
    found.take(page("two", [3], None))
    assert (found.call, found.jobs) == (first, [])
    found.take(page("two", [1], "next"))
    found.take(page("two", [3], None))
    assert found.call is None
    assert [job.student_id for job in found.jobs] == [1, 3]


def test_an_event_of_another_form_is_an_error_of_its_own() -> None:
    follow = following()
    follow.opened(200, STREAM)
    with pytest.raises(UnexpectedAnswer):
        taken(follow, ["data: {}", ""])


@pytest.mark.parametrize("credentials", [(None, None), ("token", "key")])
def test_a_client_has_either_a_token_or_a_key(credentials: tuple[str | None, str | None]) -> None:
    with pytest.raises(ValueError, match="either token or api_key"):
        Session("http://127.0.0.1", *credentials, None, 30)


def test_a_request_carries_its_caller_and_the_person_for_whom_they_act() -> None:
    sent = Session("http://127.0.0.1/adsum/", None, "key", "teacher@school.example", 30).request(READ)
    assert str(sent.url) == "http://127.0.0.1/adsum/attendances/batch-status/b"
    assert (sent.headers["x-api-key"], sent.headers["x-on-behalf-of"]) == ("key", "teacher@school.example")
    assert sent.headers["user-agent"].startswith("adsum-client/")
    assert sent.extensions["timeout"]["read"] == 30
    assert Session("http://127.0.0.1", "token", None, None, 30).request(READ).headers["authorization"] == "Bearer token"
