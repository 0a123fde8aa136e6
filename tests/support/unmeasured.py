"""`tests/unmeasured.txt`: tests that run no branch of the modules that decide which the other tests leave out.

Tracing takes about as long as a test itself, and these tests would be traced for nothing. A new test is measured.
`python -m tests.support.unmeasured` runs the tests, each in a context of its own, and records the list again.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "unmeasured.txt"
COMMAND = "python -m tests.support.unmeasured"
# Shorter tests stay measured: their names would make the list long, and their tracing takes little.
SECONDS = 0.1
# Tests that stay measured for each step of the code, where there are so many: one may take another way one day.
KEPT = 2
ARCS = "SELECT context, file_id, fromno, tono FROM arc JOIN context ON context.id = context_id"

Arc: TypeAlias = tuple[int, int, int]
"""A step from one line of a file to another, by the id of the file in the measurement."""


def listed_in(record: Path) -> frozenset[str]:
    """The tests of the list, such as `tests/reports/test_year.py::test_…`, without their parameters."""
    return frozenset(record.read_text(encoding="utf-8").splitlines())


def superfluous(arcs: Mapping[str, Collection[Arc]], seconds: Mapping[str, float]) -> list[str]:
    """The tests without which the others, measured alone, run as much. The longest ones are left out first.

    Args:
        arcs: those that each test runs.
        seconds: what it takes.
    """
    runs: defaultdict[Arc, int] = defaultdict(int)
    for found in arcs.values():
        for arc in found:
            runs[arc] += 1
    left_out: list[str] = []
    for test in sorted(arcs.keys() & seconds.keys(), key=lambda test: (-seconds[test], test)):
        if seconds[test] >= SECONDS and all(runs[arc] > KEPT for arc in arcs[test]):
            left_out.append(test)
            for arc in arcs[test]:
                runs[arc] -= 1
    return sorted(left_out)


def main() -> None:
    """Runs the tests and records the list."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ("-n", "4", "--daily", "--coverage", "--contexts", "--ignore=tests/system", f"--junitxml={report}")
        subprocess.run([sys.executable, "-m", "pytest", *options], check=True, cwd=ROOT)
        seconds = _seconds_of_tests(report)
    RECORD.write_text("".join(f"{test}\n" for test in superfluous(_arcs_of_tests(), seconds)), encoding="utf-8")


def _seconds_of_tests(report: Path) -> dict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for case in ET.parse(report).iter("testcase"):  # pytest has written it
        path = case.attrib["classname"].replace(".", "/")
        found[f"{path}.py::{case.attrib['name'].partition('[')[0]}"] += float(case.attrib["time"])
    return found


def _arcs_of_tests() -> dict[str, set[Arc]]:
    """With the imports of all modules as a test of their own, which is always measured."""
    found: defaultdict[str, set[Arc]] = defaultdict(set)
    with closing(sqlite3.connect(ROOT / ".coverage")) as connection:
        for test, *arc in connection.execute(ARCS):
            file, begin, end = arc
            found[test].add((file, begin, end))
    return found


if __name__ == "__main__":
    main()
