"""`adsum up` without settings: the API, the worker and the demo school."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest

from adsum.embedded.data_folder import DataFolder
from tests.support.servers.processes import is_alive, short_folder, stop, wait_until

SOURCE = Path(__file__).parent.parent.parent / "src"


@pytest.fixture
def folder() -> Generator[DataFolder]:
    with short_folder() as root:
        yield DataFolder(root / "data")


@pytest.fixture
def stack() -> Generator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start_up(folder: DataFolder, stack: ExitStack) -> tuple[subprocess.Popen[str], str]:
    """Starts `up` on a free port. Returns the process and the address that it prints when it is ready."""
    up = subprocess.Popen(
        [sys.executable, "-m", "adsum", "up", "--data-dir", str(folder.root), "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    stack.enter_context(up)
    stack.callback(stop, up, signal.SIGKILL)
    assert up.stdout is not None
    return up, up.stdout.readline().removeprefix("Adsum is at ").strip()


def test_up_is_ready_with_the_demo_school_and_recovers_from_a_crash(folder: DataFolder, stack: ExitStack) -> None:
    first, address = start_up(folder, stack)
    with urlopen(f"{address}/readyz", timeout=10) as answer:
        assert answer.status == 200
    accounts = json.loads(folder.credentials.read_text())
    assert accounts["admin@school.example"]
    assert stat.S_IMODE(folder.credentials.stat().st_mode) == 0o600
    pids = [int(path.read_text().split()[0]) for path in folder.running.iterdir()]

    first.kill()
    wait_until(lambda: not any(map(is_alive, pids)), 10, "everything of the first start is gone")
    second, address = start_up(folder, stack)

    with urlopen(f"{address}/readyz", timeout=10) as answer:
        assert answer.status == 200
    assert json.loads(folder.credentials.read_text()) == accounts
    second.terminate()
    assert second.wait(40) == 0
