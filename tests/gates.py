"""Every gate of this repository, one after the other: what `./adsum test` runs, here and in CI.

With arguments it runs pytest alone, with these.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable, "-m")
# Three at once on two cores, since most of them wait; who has none left takes of the others'.
PYTEST = (*PYTHON, "pytest", "-n", "3", "--dist", "worksteal", "--either")
# Much of their work is in other processes, in millions of small steps, or beside the rules and services: measuring
# makes them half as long again, and finds nothing there that the others do not cover.
UNCOVERED = (
    "tests/system",
    "tests/batches/queue",
    "tests/batches/repository",
    "tests/platform/redis",
    "tests/embedded",
)
# By themselves, so that only two systems and two browsers are started for them.
PAGES = "tests/system/browser"
IMPORTS = "import sys; from importlinter.cli import lint_imports_command as lint; sys.argv[0] = 'lint-imports'; lint()"
FULLY_COVERED: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """One check: the line above it, and the command that passes or fails."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """How a gate ended, and in how many seconds."""

    name: str
    passed: bool
    seconds: float


def main(arguments: list[str]) -> int:
    """Runs the gates; 1 if any failed, else 0."""
    if arguments:
        return subprocess.call([*PYTHON, "pytest", *arguments], cwd=ROOT)
    results = [run(gate) for gate in gates()]
    summarise(results)
    return 0 if all(result.passed for result in results) else 1


def gates() -> list[Gate]:
    """All gates, the quick ones first."""
    found = [
        Gate("Format", (*PYTHON, "ruff", "format", "--check", ".")),
        Gate("Lint", (*PYTHON, "ruff", "check", ".")),
        Gate("Types", (*PYTHON, "basedpyright")),
        Gate("Imports", (sys.executable, "-c", IMPORTS, "--no-logo")),
        Gate("Tests", (*PYTEST, "--cov", "--cov-report=", *(f"--ignore={folder}" for folder in (*UNCOVERED, PAGES)))),
        Gate("Tests of the pages, in a browser", (*PYTHON, "pytest", "-n", "2", "--dist", "loadfile", PAGES)),
        Gate("Tests of the system", (*PYTEST, *UNCOVERED, f"--ignore={PAGES}")),
    ]
    covered = [folder for folder in FULLY_COVERED if any((ROOT / folder).glob("[!_]*.py"))]
    if covered:
        patterns = ",".join(f"{folder}/*" for folder in covered)
        report = ("coverage", "report", f"--include={patterns}", "--fail-under=100")
        found.append(Gate("Every branch of the rules and services is tested", (*PYTHON, *report)))
    return found


def run(gate: Gate) -> Result:
    """Runs one gate, showing what it writes."""
    print(f"\n{styled('1', f'── {gate.name} ')}{'─' * (70 - len(gate.name))}", flush=True)
    start = time.monotonic()
    status = subprocess.call(gate.command, cwd=ROOT)
    return Result(gate.name, status == 0, time.monotonic() - start)


def summarise(results: list[Result]) -> None:
    """Prints one line for each gate."""
    print(f"\n{styled('1', '── Summary ')}{'─' * 63}")
    for result in results:
        mark = styled("32", "passed") if result.passed else styled("31", "FAILED")
        print(f"{mark}  {result.seconds:6.1f} s  {result.name}")
    total = sum(result.seconds for result in results)
    failed = sum(not result.passed for result in results)
    print(f"\n{len(results) - failed} of {len(results)} gates passed in {total:.0f} s", flush=True)


def styled(code: str, text: str) -> str:
    """The text in a terminal's style, where there is a terminal."""
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
