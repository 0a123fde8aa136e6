"""Reading JSON bodies, with limits of what is reported."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from adsum.batches.schemas import CreateBatch
from adsum.platform.errors import Invalid
from adsum.platform.http import json_bodies
from adsum.platform.http.json_bodies import MAX_UNKNOWN, READ_AT_ONCE, json_of, names_of, read_json
from adsum.platform.http.schemas import MAX_REPORTED, long_list
from tests.support.frame import Frame

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        {f"unknown{number}": 1 for number in range(MAX_UNKNOWN + 1)},
        {"marks": [{"studentId": 1, f"unknown{number}": 1} for number in range(MAX_UNKNOWN + 1)]},
    ],
)
def test_many_unknown_names_are_one_violation(body: Any) -> None:
    with pytest.raises(Invalid) as refused:
        read_json(json.dumps(body).encode(), names_of(CreateBatch))
    (violation,) = refused.value.violations
    assert (violation.code, violation.params) == ("unknown_field", {"maximum": MAX_UNKNOWN})


def test_known_names_and_some_unknown_ones_are_left_to_the_validation() -> None:
    marks = [{"studentId": number, "status": "present"} for number in range(2 * MAX_UNKNOWN)]
    body = {"classId": 1, "marks": marks, **{f"unknown{number}": 1 for number in range(MAX_UNKNOWN)}}
    assert read_json(json.dumps(body).encode(), names_of(CreateBatch)) == body


@pytest.mark.parametrize("name", ["classId", '\\"{'])
def test_an_object_of_many_names_is_refused_before_it_is_parsed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_bodies, "PARSED_AT_ONCE", MAX_UNKNOWN)
    monkeypatch.setattr(json, "loads", None)
    marks = ",".join(['{"studentId" : 1, "note": "a, \\"b\\": {"}'] * (MAX_UNKNOWN + 1))
    names = ",".join([f'"{name}": 1'] * (MAX_UNKNOWN + 1))
    with pytest.raises(Invalid) as refused:
        read_json(f'{{"marks": [{marks}], "x": {{{names}}}}}'.encode(), frozenset())
    assert [violation.code for violation in refused.value.violations] == ["unknown_field"]


@pytest.mark.parametrize("value", ["[]", "{}", '"\\\\"', "1"])
def test_very_many_values_are_refused_before_they_are_parsed(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_bodies, "MAX_VALUES", 30_000)
    body = f"[{','.join([value] * 30_002)}]"
    for encoding in ("utf-8-sig", "utf-16"):
        with pytest.raises(Invalid) as refused:
            read_json(body.encode(encoding), frozenset())
        (violation,) = refused.value.violations
        assert (violation.code, violation.params) == ("too_long", {"maximum": 30_000})


@pytest.mark.parametrize("text", ['"', '"\\', '"\\"', "}", '{"a"', "x" * 10])
def test_texts_that_are_not_json_are_left_to_the_parser(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_bodies, "PARSED_AT_ONCE", 0)
    with pytest.raises(json.JSONDecodeError):
        read_json(f"[1,{text}".encode(), frozenset())


async def test_a_thread_reads_and_validates_a_long_body() -> None:
    body = {"classId": 1, "sessionId": 1, "learningDate": "2024-12-25", "isSelectedAll": True}
    long = json.dumps(body).encode() + b" " * READ_AT_ONCE
    assert await json_of(long, CreateBatch) == CreateBatch.model_validate(body)
    with pytest.raises(json.JSONDecodeError):
        await json_of(long + b"]", CreateBatch)


async def test_the_answer_to_a_long_body_is_that_to_a_short_one(frame: Frame) -> None:
    for content in (b'{"classId": 1}', b'{"classId": "x", "other": 1}', b"[]", b'{"classId": 1, "classId": 1}'):
        short, long = [
            await frame.client.post("/trial/echo/3", content=content + blanks, headers=JSON)
            for blanks in (b"", b" " * READ_AT_ONCE)
        ]
        assert (long.status_code, long.json()) == (short.status_code, short.json())


def wrong_places(marks: Any) -> list[tuple[Any, ...]]:
    body = {"classId": 1, "sessionId": 1, "learningDate": "2024-12-25", "isSelectedAll": False, "marks": marks}
    try:
        CreateBatch.model_validate(body)
    except ValidationError as error:
        return [each["loc"] for each in error.errors()]
    return []


def test_a_long_list_is_read_until_enough_errors_are_found() -> None:
    right, wrong = {"studentId": 1, "status": "present"}, {"studentId": "x", "status": "a\0{y}"}
    assert wrong_places([right] * 5_000) == []
    assert wrong_places([right] * 2_001 + [wrong]) == [("marks", 2_001, "studentId"), ("marks", 2_001, "status")]
    assert len(wrong_places([right] * 1_500 + [wrong] * 18_000)) == 2 * 500 == MAX_REPORTED
    assert wrong_places("x") == [("marks",)]
    assert TypeAdapter(Annotated[list[int], long_list(9)]).validate_python([]) == []
    with pytest.raises(ValidationError):
        TypeAdapter(Annotated[list[int], Field(min_length=1), long_list(9)]).validate_python([])
    assert wrong_places([right] * 20_001) == [("marks",)]
