"""The parts of stored answers that are about a student."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from adsum.privacy.rules import is_about_student, parts_about, without_parts

IS_ABOUT = partial(is_about_student, 7, "s-7")
ABSENCES: Any = {"status": 201, "body": {"items": [{"studentId": 7, "reason": "flu"}, {"studentId": 8}]}}
MARKS: Any = {"batches": [{"batchId": "b", "conflicts": [{"studentId": 7, "recorded": None}]}], "rows": 7}
OLD: Any = {"conflicts": [{"student_id": 7}, {"student_id": 17}], "batch_id": "b"}
ROSTER: Any = {"errors": [{"detail": "no user", "params": {"user": "s-7"}}, {"params": {"user": "s-77"}}]}


CASES: list[tuple[Any, list[Any], Any]] = [
    (ABSENCES, [{"studentId": 7, "reason": "flu"}], {"status": 201, "body": {"items": [{"studentId": 8}]}}),
    (MARKS, MARKS["batches"][0]["conflicts"], {"batches": [{"batchId": "b", "conflicts": []}], "rows": 7}),
    (OLD, [{"student_id": 7}], {"conflicts": [{"student_id": 17}], "batch_id": "b"}),
    (ROSTER, ROSTER["errors"][:1], {"errors": ROSTER["errors"][1:]}),
    ({"body": {"studentId": 7, "id": 1}}, [{"studentId": 7, "id": 1}], {"body": {"studentId": 7, "id": 1}}),
    ({"ids": [7, "7", None]}, [], {"ids": [7, "7", None]}),
]


@pytest.mark.parametrize(("answer", "parts", "rest"), CASES)
def test_entries_of_lists_are_removed(answer: Any, parts: list[Any], rest: Any) -> None:
    assert list(parts_about(answer, IS_ABOUT)) == parts
    assert without_parts(answer, IS_ABOUT) == rest


def test_a_student_without_source_id_is_found_by_id_only() -> None:
    is_about = partial(is_about_student, 7, None)
    assert list(parts_about({"errors": [{"params": {"user": None}}], "items": [{"studentId": 7}]}, is_about)) == [
        {"studentId": 7}
    ]
