"""Every gate of this repository: `./adsum test` runs them here and in CI.

`./adsum test --long` runs all tests instead of the daily form. With other arguments it runs pytest with these only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable, "-m")
IMPORTS = "import sys; from importlinter.cli import lint_imports_command as lint; sys.argv[0] = 'lint-imports'; lint()"
BROWSER = "tests/system/browser"
# Temporary files are in memory where there is enough: servers that tests start as in the product wait for the disk.
MEMORY = Path("/dev/shm")
ENOUGH = 6 * 1024**3
# Four more than cores, since tests of faults and of commands mostly wait. Each process has its own Valkey and Postgres.
WORKERS = str(min((os.cpu_count() or 2) + 4, 12))
# Playwright's loop occupies its process, so these tests have one of their own, with one system and one browser.
BROWSERS = "1"


@dataclass(frozen=True, slots=True)
class Gate:
    """One check: its title, and the command that passes or fails. Its output is shown at its end, unless it is live."""

    name: str
    command: tuple[str, ...]
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a gate. `cpu` includes its child processes."""

    name: str
    passed: bool
    seconds: float
    cpu: float


FIRST = (
    Gate("Format", (*PYTHON, "ruff", "format", "--check", ".")),
    Gate("Lint", (*PYTHON, "ruff", "check", ".")),
    Gate("Imports", (sys.executable, "-c", IMPORTS, "--no-logo")),
)
DAILY, LONG = "--daily", "--long"
COVERAGE = (*PYTHON, "slipcover", "--merge", ".coverage.json", "--out", ".coverage.json")
LAST = (Gate("Every branch of the modules that decide is tested", COVERAGE),)


def environment() -> dict[str, str]:
    """The environment of all gates."""
    # Dozens of processes import the same modules. Without cached bytecode each would compile them.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if "TMPDIR" not in own and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH:
        own["TMPDIR"] = str(MEMORY)
    return own


ENVIRONMENT = environment()


def main(arguments: list[str]) -> int:
    """Runs the gates; 1 if any failed, else 0."""
    if arguments not in ([], [LONG]):
        return subprocess.call([*PYTHON, "pytest", *arguments], cwd=ROOT, env=ENVIRONMENT)
    form = LONG if arguments else DAILY
    start, together = time.monotonic(), tests_in(form)
    with ThreadPoolExecutor(1 + len(together)) as threads:
        types = threads.submit(run, types_in(form))  # begins with the first, which use one core
        results = [*map(run, FIRST)]
        results += threads.map(run, together)
    results += [types.result(), *map(run, LAST)]
    summarise(results, time.monotonic() - start)
    return 0 if all(result.passed for result in results) else 1


def types_in(form: str) -> Gate:
    """The daily form checks the types of the product. Tests run, which finds most of what their types would show."""
    return Gate("Types", (*PYTHON, "basedpyright", *(["src"] if form == DAILY else [])))


def tests_in(form: str) -> tuple[Gate, ...]:
    """These run concurrently: while one waits, another uses the CPU."""
    return (
        Gate(
            "Tests",
            (*PYTHON, "pytest", "-n", WORKERS, form, "--coverage", f"--ignore={BROWSER}"),
            is_live=True,
        ),
        Gate("Tests in a browser", (*PYTHON, "pytest", "-n", BROWSERS, form, BROWSER)),
    )


def run(gate: Gate) -> Result:
    """Runs one gate and shows its output."""
    start = time.monotonic()
    with TemporaryFile() as output:
        if gate.is_live:
            print(heading_of(gate), flush=True)
        to = None if gate.is_live else output
        process = subprocess.Popen(gate.command, cwd=ROOT, env=ENVIRONMENT, stdout=to, stderr=to)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if not gate.is_live:
            output.seek(0)
            print(f"{heading_of(gate)}\n{output.read().decode(errors='replace')}", end="", flush=True)
    return Result(gate.name, process.returncode == 0, time.monotonic() - start, usage.ru_utime + usage.ru_stime)


def heading_of(gate: Gate) -> str:
    """The line above the output of a gate."""
    return f"\n{styled('1', f'── {gate.name} ')}{'─' * (70 - len(gate.name))}"


def summarise(results: Iterable[Result], seconds: float) -> None:
    """Prints one line for each gate."""
    results = list(results)
    print(f"\n{styled('1', '── Summary ')}{'─' * 63}")
    for result in results:
        outcome = styled("32", "passed") if result.passed else styled("31", "FAILED")
        print(f"{outcome}  {result.seconds:6.1f} s  {result.cpu:6.1f} s of CPU  {result.name}")
    failed = sum(not result.passed for result in results)
    print(f"\n{len(results) - failed} of {len(results)} gates passed in {seconds:.0f} s", flush=True)


def styled(code: str, text: str) -> str:
    """The text with an ANSI style code, if stdout is a terminal."""
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
