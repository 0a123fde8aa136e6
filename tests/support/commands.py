"""Runs `adsum` in a separate process."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.support.forked import run_forked
from tests.support.live import SECRET, environment


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands with these settings."""

    settings: dict[str, str]

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return run_forked(arguments, environment(**self.settings) | environ, stdin)

    def output(self, *arguments: str, stdin: str = "", **environ: str) -> str:
        """Returns the output of a command, which must succeed and write nothing to stderr."""
        ended = self.run(*arguments, stdin=stdin, **environ)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    def output_of_import(self, *arguments: str) -> str:
        """Returns the output of a command, which must succeed. On a slow machine it shows its progress on stderr."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def commands(**settings: str) -> Commands:
    return Commands({"secret_key": SECRET} | settings)
