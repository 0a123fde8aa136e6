"""Probes record what the tracer of `coverage` records: reports name the same lines and branches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import pytest
from coverage import Coverage

from tests.support.probes import ARCS, compile_with_probes

MODULE = '''
from __future__ import annotations
import asyncio
from contextlib import suppress

if len(__name__) > 100:
    pass

def of_conditions(number: int) -> str:
    """A docstring."""
    if number > 100:
        result = "large"
    elif (
        number > 10 and number % 2  # of a statement of several lines
    ):
        result = "odd"
    elif number == 7:
        result = "seven"
    else:
        result = "small"
    if number == 3:
        result = "three"
    return result


def of_loops(numbers: list[int], least: int = 0) -> list[int]:
    found: list[int] = []
    for number in numbers:
        if number < least:
            continue
        if number > 100:
            break
        found.append(number)
        if number == 7:
            found.append(number)
    else:
        found.append(-1)
    while found and found[-1] > 50:
        found.pop()
        if len(found) == 1:
            break
    while True:
        if len(found) < 4:
            return found
        found.pop()


def of_errors(value: object) -> str:
    result = "none"
    try:
        if not isinstance(value, str):
            raise TypeError
        result = str(int(value))
    except TypeError:
        result = "type"
    except ValueError:
        if value == "x":
            return "x"
        result = "value"
    else:
        result += "."
    finally:
        if value is None:
            result += "!"
    with suppress(IndexError):
        if len(result) > 3:
            result = "long"
    for letter in result:
        with suppress(IndexError):
            if letter == "1":
                result = result[99]
    return result


def of_patterns(value: object) -> str:
    match value:
        case int() if value > 100:
            return "large"
        case int():
            found = "number"
        case [first, *_]:
            found = str(first)
        case _:
            found = "other"
    match found:
        case "number" | "other":
            found += "!"
        case "unknown":
            found = "?"
    return found


def of_generators(number: int) -> object:
    def inner() -> int:
        return 3 if number else 4

    class Inner:
        """Its body is measured, too."""

        value = 4

        @staticmethod
        def unused() -> None:
            return

    for each in range(number):
        if each % 2:
            yield Inner.value
        else:
            yield inner()


async def of_coroutines(values: object) -> int:
    total = 0
    async for value in values:
        if value == 2:
            await asyncio.sleep(0)
            continue
        total += value
    return total
'''

SAME = ("executed_lines", "missing_lines", "executed_branches", "missing_branches")
CALLS: dict[str, Callable[[Any], object]] = {
    "none": lambda _: None,
    "a large number": lambda module: module.of_conditions(200),
    "all conditions": lambda module: [module.of_conditions(number) for number in (1, 3, 7, 11, 200)],
    "a loop over nothing": lambda module: module.of_loops([]),
    "a loop that is left": lambda module: module.of_loops([60, 60, 200, 1]),
    "a loop with each step": lambda module: module.of_loops([1, 7, 2, 3, 4], least=2),
    "no error": lambda module: module.of_errors("2"),
    "errors of the first kind": lambda module: (module.of_errors(None), module.of_errors(1)),
    "errors of the second kind": lambda module: (module.of_errors("x"), module.of_errors("y"), module.of_errors("1")),
    "the first patterns": lambda module: (module.of_patterns(101), module.of_patterns(1)),
    "the last patterns": lambda module: (module.of_patterns(["unknown"]), module.of_patterns("x")),
    "no pattern": lambda module: module.of_patterns(["nothing"]),
    "a generator to its end": lambda module: list(module.of_generators(3)),
    "a generator that is left": lambda module: next(module.of_generators(3)),
    "a coroutine": lambda module: asyncio.run(module.of_coroutines(_some(4))),
}


async def _some(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "measured.py"
    path.write_text(MODULE)
    return path


@pytest.mark.parametrize("name", CALLS)
def test_a_report_is_the_same_as_with_a_tracer(name: str, path: Path) -> None:
    assert _probed(path, CALLS[name]) == _traced(path, CALLS[name])


def test_all_calls_together_leave_out_what_none_of_them_runs(path: Path) -> None:
    def call_all(module: Any) -> None:
        for call in CALLS.values():
            call(module)

    report = _probed(path, call_all)
    assert report == _traced(path, call_all)
    lines: list[str] = path.read_text().splitlines()
    assert [lines[int(number) - 1].strip() for number in report["missing_lines"]] == ["pass", "return"]


def _traced(path: Path, call: Callable[[Any], object]) -> dict[str, Any]:
    measurement = _measurement(path)
    measurement.start()
    try:
        call(_run(compile(path.read_bytes(), path, "exec", dont_inherit=True), {}))
    finally:
        measurement.stop()
    return _report(measurement, path)


def _probed(path: Path, call: Callable[[Any], object]) -> dict[str, Any]:
    arcs: dict[tuple[int, int], None] = {}
    call(_run(compile_with_probes(path.read_bytes(), str(path)), {ARCS: arcs}))
    measurement = _measurement(path)
    measurement.get_data().add_arcs({str(path): arcs})
    return _report(measurement, path)


def _measurement(path: Path) -> Coverage:
    return Coverage(data_file=None, branch=True, include=[str(path)], config_file=False)


def _run(code: CodeType, variables: dict[str, Any]) -> SimpleNamespace:
    namespace = {"__name__": "measured", **variables}
    exec(code, namespace)
    return SimpleNamespace(**namespace)


def _report(measurement: Coverage, path: Path) -> dict[str, Any]:
    written = path.with_suffix(".json")
    measurement.json_report(outfile=str(written))
    (report,) = json.loads(written.read_text())["files"].values()
    return {name: sorted(report[name]) for name in SAME}
