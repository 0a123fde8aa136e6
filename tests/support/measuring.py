"""Coverage of the modules that decide: which lines of them run, and which branches are taken.

SlipCover adds probes to these modules when they are imported. A tracer would slow down all code of all libraries.
`pyproject.toml` names the modules, and the lines that need no test.
"""

from __future__ import annotations

import json
import os
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from slipcover import FileMatcher, ImportManager, Slipcover, merge_coverage
from slipcover.config import read_config

import adsum

NOT_MEASURED = ("adsum.operations.migrations", "adsum.__main__")
RESULT = Path(".coverage.json")
RESULTS_OF_PROCESSES = ".coverage-*.json"
NO_DEINSTRUMENTATION = -1  # it would replace the code of functions while they run


class Measurement:
    """The measurement of this process and of those that are forked. Each process writes a file of its own. Without
    `begin` nothing is measured.
    """

    def __init__(self) -> None:
        self._slipcover: Slipcover | None = None

    def begin(self) -> None:
        """Removes earlier results, and imports every module, so that its definitions are measured, which no test does.

        Call it before anything else imports them.
        """
        RESULT.unlink(missing_ok=True)
        _take_results()
        configuration = read_config()
        excluded: list[str] = configuration["exclude-also"]
        self._excluded = re.compile("|".join(excluded))
        self._slipcover = Slipcover(branch=True, d_miss_threshold=NO_DEINSTRUMENTATION, exclude_also=excluded)
        matcher = FileMatcher(sources=configuration["source"], omit=configuration["omit"])
        ImportManager(self._slipcover, matcher).__enter__()
        _import_every_module()

    def save(self) -> None:
        """Writes what this process has measured."""
        if self._slipcover is not None:
            measured = self._slipcover.get_coverage()
            for path, file in measured["files"].items():
                self._leave_out_branches_to_excluded_lines(Path(path).read_text().splitlines(), file)
            Path(RESULTS_OF_PROCESSES.replace("*", str(os.getpid()))).write_text(json.dumps(measured))

    def combine(self) -> None:
        """Combines the files of all processes."""
        if self._slipcover is not None:
            results = _take_results()
            combined = results[0]
            for each in results:  # also the first one: this computes its summary
                merge_coverage(combined, each)
            RESULT.write_text(json.dumps(combined))

    def _leave_out_branches_to_excluded_lines(self, lines: list[str], file: dict[str, Any]) -> None:
        """SlipCover leaves out the branches from them."""
        branches: list[tuple[int, int]] = file["missing_branches"]
        file["missing_branches"] = [
            (start, end) for start, end in branches if not end or not self._excluded.search(lines[end - 1])
        ]


def _take_results() -> list[dict[str, Any]]:
    """Reads and removes the files of all processes."""
    results: list[dict[str, Any]] = []
    for path in Path().glob(RESULTS_OF_PROCESSES):
        results.append(json.loads(path.read_text()))
        path.unlink()
    return results


def _import_every_module() -> None:
    for module in pkgutil.walk_packages(adsum.__path__, "adsum."):
        if not module.name.startswith(NOT_MEASURED):
            import_module(module.name)
