"""The whole system as `adsum up` starts it, with its demo school, for browser tests."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import StorageState

from tests.support.commands import Commands
from tests.support.live import environment
from tests.support.providers.strict import StrictProvider, strict_provider
from tests.support.servers.processes import short_folder, stop


@dataclass(frozen=True, slots=True)
class RunningSystem:
    """A running system: its address, passwords by email, and its command line.

    Attributes:
        sessions: by email, the browser storage of users who have signed in.
    """

    url: str
    passwords: Mapping[str, str]
    data: Path
    provider: StrictProvider
    sessions: dict[str, StorageState] = field(default_factory=dict[str, StorageState])

    @property
    def commands(self) -> Commands:
        return Commands({"data_dir": str(self.data)})


@contextlib.contextmanager
def running_system() -> Generator[RunningSystem]:
    """Starts the system, and a provider at which its users can sign in. Stops them at the end of the block."""
    with short_folder() as folder, strict_provider() as provider:
        data = folder / "data"
        up = subprocess.Popen(
            [sys.executable, "-m", "adsum", "up", "--port", "0"],
            env=environment(
                data_dir=str(data),
                oidc_providers=json.dumps([provider.settings()]),
                webhook_allowed_networks="127.0.0.0/8",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert up.stdout is not None
            url = up.stdout.readline().removeprefix("Adsum is at ").strip()
            passwords = json.loads((data / "credentials.json").read_text(encoding="utf-8"))
            provider.redirect_uris.add(f"{url}/sign-in/strict/callback")
            yield RunningSystem(url, passwords, data, provider)
        finally:
            stop(up)
            up.communicate()
