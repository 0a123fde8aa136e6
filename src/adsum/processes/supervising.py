"""What commands share that keep other processes running: the first signal stops in order, a second one at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from adsum.embedded.supervisor import Supervisor


class Stopping:
    """Listens for SIGINT, SIGTERM and SIGHUP."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.asked = asyncio.Event()
        self._supervisor = supervisor

    def listen(self) -> None:
        """To be called inside of the loop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop_or_kill)

    def _stop_or_kill(self) -> None:
        if self.asked.is_set():
            self._supervisor.kill()
            return
        show("Stopping, once what was begun is finished. Again stops at once.\n")
        self.asked.set()


def show(text: str) -> None:
    """Hands on what the processes write."""
    with contextlib.suppress(OSError):  # nobody reads us any more: no reason to stop
        sys.stderr.write(text)
        sys.stderr.flush()


def warn_as(log_format: str, command: str) -> Callable[[str], None]:
    """Shows a line of the command's own, in the format of the logs that it stands among."""

    def warn(message: str) -> None:
        if log_format == "json":
            now = datetime.now(UTC).isoformat()
            message = json.dumps({"timestamp": now, "level": "warning", "event": message, "logger": f"adsum.{command}"})
        show(f"{message}\n")

    return warn
