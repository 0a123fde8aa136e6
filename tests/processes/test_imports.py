"""Processes import no library that they do not need: it takes time at their start, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.live import ROOT

# Of an installation without a collector. redis-py imports the metrics of the SDK wherever it is installed.
OF_TRACES = {
    "opentelemetry.sdk.trace",
    "opentelemetry.exporter",
    "opentelemetry.proto",
    "requests",
    "google.protobuf",
}
# One interpreter imports them in this order: a later one may need more.
WITHOUT = {
    "adsum.processes.up": {"fastapi", "sqlalchemy", "bullmq", "redis", "alembic"},
    # Of commands and workers.
    "adsum.wiring": {"fastapi", "starlette", "jinja2", "alembic"} | OF_TRACES,
    "adsum.processes.worker": OF_TRACES,
    "adsum.app": OF_TRACES,
    "adsum.processes.serve": OF_TRACES,
}
IMPORT = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(json.dumps([*sys.modules]))
"""


@pytest.mark.long
def test_a_process_imports_no_library_that_it_does_not_need() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", IMPORT, *WITHOUT],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    imported: dict[str, list[str]] = dict(zip(WITHOUT, map(json.loads, printed.stdout.splitlines()), strict=True))
    needless = [
        f"{module} imports {name}"
        for module, libraries in WITHOUT.items()
        for name in imported[module]
        if f"{name}.".startswith(tuple(f"{each}." for each in libraries))
    ]
    assert needless == []
