"""`adsum serve` in a separate process, on a free port."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.forked import Forked, start_forked
from tests.support.servers.processes import START_S, short_folder, wait_until

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s" * 40


@dataclass(slots=True)
class Live:
    """A listening server and its log, whose lines are read in order."""

    process: Forked
    port: int = 0
    read: int = 0

    def log_until(self, event: str) -> list[dict[str, Any]]:
        """Returns the unread lines up to that of `event`. Waits for it."""
        wait_until(lambda: self._has_event(event) or not self.process.is_running, START_S, event)
        lines = self._lines()
        events = [line["event"] for line in lines]
        assert event in events, f"the server ended before {event!r}: {lines}"
        found = lines[: events.index(event) + 1]
        self.read += len(found)
        return found

    def _has_event(self, event: str) -> bool:
        return any(line["event"] == event for line in self._lines())

    def _lines(self) -> list[dict[str, Any]]:
        log = self.process.log
        written = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
        return [json.loads(line) for line in written[self.read :] if line.endswith("\n")]


def environment(**settings: str) -> dict[str, str]:
    """Returns the environment of a command with exactly these settings."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("ADSUM_", "FORCE_COLOR"))}
    given = {f"ADSUM_{name.upper()}": value for name, value in settings.items()}
    return outside | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"} | given


@contextlib.contextmanager
def serving(database_url: str, redis_url: str, **settings: str) -> Generator[Live]:
    """Runs the server until the block ends."""
    given = {"port": "0", "log_format": "json", "secret_key": SECRET} | settings
    with short_folder() as folder:
        variables = environment(database_url=database_url, redis_url=redis_url, **given)
        live = Live(start_forked(["serve"], variables, folder / "log"))
        try:
            live.port = live.log_until("listening")[-1]["port"]
            yield live
        finally:
            live.process.stop()
