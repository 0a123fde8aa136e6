"""The sentences about wrong fields: plain words, and nothing of pydantic."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import ErrorType

from adsum.accounts.access import Role
from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.problems import CODES, FORMS, violation_of
from tests.platform.http.test_problems import problem_of
from tests.support.frame import Frame
from tests.support.live import ROOT

# Values for the placeholders of pydantic's messages.
CONTEXT: dict[str, Any] = {
    **dict.fromkeys(("ge", "le", "gt", "lt", "multiple_of", "min_length", "max_length", "actual_length"), 3),
    **dict.fromkeys(("max_digits", "decimal_places", "whole_digits", "nth_error", "tz_expected", "tz_actual"), 3),
    **dict.fromkeys(("error", "class", "class_name", "attribute", "method_name", "discriminator", "tag"), "raw"),
    **dict.fromkeys(("expected_tags", "expected_schemes", "encoding", "encoding_error", "field_type"), "raw"),
    "expected": "'a' or 'b'",
    "expected_version": 4,
    "pattern": "^[0-9]+$",
}


@pytest.mark.parametrize("kind", [kind for kind in get_args(ErrorType) if kind != "json_invalid"])
def test_no_text_of_pydantic_reaches_a_client(kind: Any) -> None:
    message = PydanticKnownError(kind, CONTEXT).message()
    names = {name: value for name, value in CONTEXT.items() if kind not in {"int_parsing_size", "finite_number"}}

    found = violation_of({"type": kind, "loc": ("body", "x"), "msg": message, "ctx": names, "input": "1"})

    if kind in {"value_error", "assertion_error"}:  # raised by a validator of Adsum's, whose text it is
        assert found.detail == "x is wrong: raw"
        return
    assert found.detail.startswith(("x must ", "x is ", "x has ", "x does "))
    for raw in ("Input", "should", "valid", "pydantic", "raw", "^[0-9]+$", "None"):
        assert raw not in found.detail


@pytest.mark.parametrize(
    ("kind", "context", "sentence"),
    [
        ("string_too_long", {"max_length": 255}, "must have at most 255 characters"),
        ("too_long", {"max_length": 100}, "must have at most 100 characters"),
        ("int_type", {}, "must be a whole number"),
        ("greater_than", {"gt": 0}, "must be more than 0"),
        ("less_than", {"lt": 0}, "must be less than 0"),
        ("multiple_of", {"multiple_of": 5}, "must be a multiple of 5"),
        ("int_parsing_size", {}, "must be a number with fewer digits"),
        ("string_pattern_mismatch", {"pattern": TIME_PATTERN}, "must be a time of the form HH:MM, such as 08:00"),
        ("string_not_ascii", {}, "must be a text of ASCII characters"),
        ("uuid_parsing", {}, "must be a UUID"),
        ("days_reversed", {}, "is wrong: this is before the first day"),
    ],
)
def test_a_sentence_says_what_is_allowed(kind: str, context: dict[str, Any], sentence: str) -> None:
    message = "this is before the first day"
    found = violation_of({"type": kind, "loc": ("body", "x"), "msg": message, "ctx": context, "input": "1"})
    assert found.detail == f"x {sentence}"


def test_a_sentence_about_a_list_counts_entries() -> None:
    for kind, context, sentence in (
        ("too_long", {"max_length": 100}, "must have at most 100 entries"),
        ("too_short", {"min_length": 1}, "must have at least 1 entry"),
    ):
        found = violation_of({"type": kind, "loc": ("body", "x"), "msg": "raw", "ctx": context, "input": []})
        assert found.detail == f"x {sentence}"


def test_every_pattern_of_the_api_is_described_in_words() -> None:
    description = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    patterns = set(re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', description))

    assert patterns
    assert {json.loads(each) for each in patterns} <= FORMS.keys()


async def test_a_wrong_idempotency_key_is_refused_in_words(full_frame: Frame) -> None:
    token = await full_frame.token(Role.ADMIN)
    for key, sentence in (
        ("a b", "Idempotency-Key must consist of visible ASCII characters, without blanks"),
        ("x" * 256, "Idempotency-Key must have at most 255 characters"),
    ):
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        answer = await full_frame.client.post("/attendances/create-batch", json={}, headers=headers)
        assert sentence in [each["detail"] for each in problem_of(answer)["errors"]]


def test_every_code_of_a_wrong_field_has_a_text_in_german() -> None:
    templates = ROOT / "src" / "adsum" / "platform" / "pages" / "templates" / "refusals.html"
    texts = templates.read_text(encoding="utf-8")
    assert [code for code in {*CODES.values(), "wrong_type", "invalid_value"} if f'"{code}": _(' not in texts] == []
