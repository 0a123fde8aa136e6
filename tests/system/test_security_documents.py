"""The documents about security: every test that they name exists, and every requirement has an answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREATS = ROOT / "docs" / "explanation" / "threat-model.md"
ASVS = ROOT / "docs" / "reference" / "asvs.md"
NODE = re.compile(r"`(tests/[a-z_/]+/test_\w+\.py)(?:::(test_\w+))?`")


@pytest.mark.parametrize("document", [THREATS, ASVS], ids=lambda path: path.name)
def test_every_test_that_guards_a_measure_exists(document: Path) -> None:
    named = NODE.findall(document.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [f"{path}::{test}" for path, test in named if not has_test(ROOT / path, test)] == []


def test_every_threat_has_a_measure_and_a_test() -> None:
    rows = re.findall(r"^\| ([STRIDE]) \|(.*)\|(.*)\|(.*)\|$", THREATS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {kind for kind, *_ in rows} == set("STRIDE")
    assert [row for row in rows if not row[2].strip() or not NODE.search(row[3])] == []


def has_test(file: Path, test: str) -> bool:
    return file.exists() and (not test or f"def {test}(" in file.read_text(encoding="utf-8"))
