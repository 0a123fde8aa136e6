"""`adsum serve` as a process of its own, on a free port."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers.processes import stop

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s" * 40


@dataclass(frozen=True, slots=True)
class Live:
    """A server that listens, and its log, whose lines are read as they are asked for."""

    process: subprocess.Popen[str]
    port: int

    def log_until(self, event: str) -> list[dict[str, Any]]:
        """The lines up to the one of `event`."""
        return lines_until(self.process, event)


def environment(**settings: str) -> dict[str, str]:
    """The environment of a command that has these settings and no others."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("ADSUM_", "FORCE_COLOR"))}
    given = {f"ADSUM_{name.upper()}": value for name, value in settings.items()}
    return outside | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"} | given


@contextlib.contextmanager
def serving(database_url: str, redis_url: str, **settings: str) -> Generator[Live]:
    """Runs the server while the block lasts."""
    given = {"port": "0", "log_format": "json", "secret_key": SECRET} | settings
    process = subprocess.Popen(
        [sys.executable, "-m", "adsum", "serve"],
        env=environment(database_url=database_url, redis_url=redis_url, **given),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Live(process, lines_until(process, "listening")[-1]["port"])
    finally:
        stop(process)
        process.communicate()


def lines_until(process: subprocess.Popen[str], event: str) -> list[dict[str, Any]]:
    """Reads the log, a JSON object a line, until the event has come."""
    assert process.stderr is not None
    lines: list[dict[str, Any]] = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1]["event"] == event:
            return lines
    raise AssertionError(f"the server ended before {event!r}: {lines}")
