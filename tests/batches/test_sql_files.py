"""Statements repeat two definitions, since each file is complete. The copies must be identical."""

from __future__ import annotations

import re
from pathlib import Path

import adsum.batches
from adsum.batches.job_outcomes import Reason
from adsum.batches.rules import Outcome
from adsum.batches.run import PLAN_KEYS
from adsum.platform.database.sql_files import without_comments

FILES = sorted((Path(adsum.batches.__file__).parent / "sql").glob("*.sql"))
OUTCOME = re.compile(r"WHEN c\.attendance_id IS NOT NULL .*? ELSE 'pending' END")
# A key of a row that a JSON function has expanded under an alias; keys of input rows have no alias.
KEY = re.compile(r"\b\w+\.value ->> '(\w+)'")


def statement(file: Path) -> str:
    return " ".join(without_comments(file.read_text(encoding="utf-8")).split())


def test_all_statements_define_the_outcome_of_a_job_identically() -> None:
    texts = [statement(file) for file in FILES]
    found = [each.group() for text in texts for each in OUTCOME.finditer(text)]
    assert len(found) == sum(text.count("ELSE 'pending'") for text in texts)
    assert len(found) >= 12
    (definition,) = set(found)
    assert set(re.findall(r"(?:THEN|ELSE) '(\w+)'", definition)) == set(Outcome)
    assert re.findall(r"f\.code = '(\w+)'", definition) == [Reason.CANCELLED]


def test_statements_read_the_plan_keys_that_python_writes() -> None:
    keys = {key for file in FILES for key in KEY.findall(statement(file))}
    assert keys == set(PLAN_KEYS)
