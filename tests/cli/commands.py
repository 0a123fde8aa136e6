"""`adsum` as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from tests.web.live import SECRET, environment


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands with these settings."""

    settings: dict[str, str]

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "adsum", *arguments],
            env=environment(**self.settings) | environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def output(self, *arguments: str, stdin: str = "", **environ: str) -> str:
        """What a command prints that does what it is to do, and complains of nothing."""
        ended = self.run(*arguments, stdin=stdin, **environ)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout


def commands(**settings: str) -> Commands:
    return Commands({"secret_key": SECRET} | settings)
