"""The gate of coverage fails, and names the line or the branch, if no process has run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gates import LAST, ROOT

MODULE = """
from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, assert_never

if TYPE_CHECKING:
    from pathlib import Path


class Place(Protocol):
    def path(self) -> Path: ...


def size(number: int) -> str:
    result = "small"
    if number > 10:
        result = "large"
    for _ in range(number):
        if number == 3:
            continue
        result += "."
    return result


def kind(name: Literal["a", "b"]) -> int:
    match name:
        case "a":
            return 1
        case "b":
            return 2
    assert_never(name)
"""

# One argument for each process: the calls in it.
PROGRAM = """
import os, sys
from tests.support.measuring import Measurement

measurement = Measurement()
measurement.begin()
from adsum import rules

def run(calls):
    exec(calls, vars(rules))
    measurement.save()

for calls in sys.argv[2:]:
    if not os.fork():
        run(calls)
        os._exit(0)
    assert os.wait()[1] == 0
run(sys.argv[1])
measurement.combine()
"""
COMPLETE = ("size(1)", "size(0); size(12)", "size(3); kind('a'); kind('b')")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Has one module that decides, in a package of the same name, and the configuration of this project."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = tmp_path / "src/adsum"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "rules.py").write_text(MODULE)
    return tmp_path


def test_the_gate_passes_if_processes_have_run_all_lines_and_branches_together(project: Path) -> None:
    measure(project, COMPLETE)
    gate = run_gate(project)
    assert (gate.returncode, "rules.py" in gate.stdout) == (0, False), gate.stdout


@pytest.mark.parametrize(
    ("calls", "missing"),
    [
        (("size(1)", "size(0); size(3); kind('a'); kind('b')"), "17"),
        (("size(1)", "size(0); size(12); size(3); kind('a')"), "29-30"),
        (("size(12)", "kind('a'); kind('b')"), "16->18, 20"),
        (("",), "15-22, 26-30"),
    ],
)
def test_the_gate_names_what_no_process_has_run(project: Path, calls: tuple[str, ...], missing: str) -> None:
    measure(project, calls)
    gate = run_gate(project)
    (row,) = (line for line in gate.stdout.splitlines() if line.startswith("src/adsum/rules.py "))
    assert (gate.returncode, row.endswith(f" {missing}")) == (2, True), row


def test_the_gate_fails_if_nothing_was_measured(project: Path) -> None:
    assert run_gate(project).returncode != 0


def measure(project: Path, calls: tuple[str, ...]) -> None:
    environment = os.environ | {"PYTHONPATH": f"{project / 'src'}:{ROOT}"}
    subprocess.run([sys.executable, "-c", PROGRAM, *calls], cwd=project, env=environment, check=True)


def run_gate(project: Path) -> subprocess.CompletedProcess[str]:
    (gate,) = LAST
    return subprocess.run(gate.command, cwd=project, capture_output=True, text=True, check=False)
