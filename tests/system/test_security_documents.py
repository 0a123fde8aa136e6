"""The documents about security: every test that they name exists, and every requirement has an answer."""

from __future__ import annotations

import re
from collections import Counter
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


def test_every_module_and_page_that_the_table_names_exists() -> None:
    text = ASVS.read_text(encoding="utf-8")
    modules = re.findall(
        r"`((?:accounts|batches|embedded|operations|platform|processes|roster)/[\w/]+(?:\.py)?)`", text
    )
    assert len(modules) > 30
    assert [name for name in modules if not (ROOT / "src" / "adsum" / name).exists()] == []
    settings = set(re.findall(r"`(ADSUM_[A-Z_]+[A-Z])", text))
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert {name for name in settings if f"`{name}`" not in reference} == set()


def test_each_requirement_of_both_levels_has_one_answer_and_the_counts_are_right() -> None:
    text = ASVS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d[\d., \u2013]*) \|[^|]*\| ([^|]*) \| ([^|]*) \|", text, re.MULTILINE)
    answered = [requirement for ids, *_ in rows for requirement in requirements_of(ids)]
    assert [requirement for requirement, times in Counter(answered).items() if times > 1] == []
    counts: Counter[str] = Counter()
    for ids, state, where in rows:
        counts[state.strip("*")] += len(requirements_of(ids))
        assert where.strip(), f"{ids} says nothing"
    assert counts.total() == 253
    table = re.findall(r"^\| (met|partly|not met|operator|n/a) \| (\d+) \|", text, re.MULTILINE)
    assert {state: int(count) for state, count in table} == dict(counts)
    names = {
        "met": "met",
        "partly": "partly",
        "not met": "not met",
        "operator": "of the operator",
        "n/a": "not applicable",
    }
    assert ", ".join(f"{counts[state]} {name}" for state, name in names.items()) in text


def requirements_of(ids: str) -> list[str]:
    """The requirements that a row answers: several with commas between them, or a range."""
    found: list[str] = []
    for part in ids.split(", "):
        first, _, last = part.partition("\u2013")
        section, _, number = first.rpartition(".")
        end = int(last.rpartition(".")[2]) if last else int(number)
        found += [f"{section}.{each}" for each in range(int(number), end + 1)]
    return found


def test_every_threat_has_a_measure_and_a_test() -> None:
    rows = re.findall(r"^\| ([STRIDE]) \|(.*)\|(.*)\|(.*)\|$", THREATS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {kind for kind, *_ in rows} == set("STRIDE")
    assert [row for row in rows if not row[2].strip() or not NODE.search(row[3])] == []


def has_test(file: Path, test: str) -> bool:
    return file.exists() and (not test or f"def {test}(" in file.read_text(encoding="utf-8"))
