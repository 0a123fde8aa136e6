"""Processes import no library that they do not need: it takes time at their start, and memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.live import ROOT

WITHOUT = {
    "adsum.processes.up": {"fastapi", "sqlalchemy", "bullmq", "redis", "alembic"},
    # Of commands and workers.
    "adsum.wiring": {"fastapi", "starlette", "jinja2", "alembic"},
}


@pytest.mark.parametrize("module", WITHOUT)
def test_a_process_imports_no_library_that_it_does_not_need(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert WITHOUT[module] & set(printed.stdout.split()) == set()
