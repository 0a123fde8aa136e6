"""`adsum up` without settings has the demo school and recovers from a crash. A backup made while it records contains
all records of that time, each once.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, closing
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from adsum.platform.embedded.data_folder import DataFolder
from tests.support.commands import Commands
from tests.support.servers.processes import is_alive, short_folder, stop, wait_until

SOURCE = Path(__file__).parent.parent.parent / "src"
FIRST_DAY = date(2024, 9, 2)
# Between two submissions, so that other tests get their share of the CPU.
PAUSE_S = 0.05


class Client:
    """Marks the class of the seed, one day after another."""

    def __init__(self, address: str, folder: DataFolder) -> None:
        self._address = address
        password = json.loads(folder.credentials.read_text())["admin@school.example"]
        form = urlencode({"username": "admin@school.example", "password": password}).encode()
        with urlopen(Request(f"{address}/auth/token", form), timeout=10) as answer:
            self._token = json.load(answer)["access_token"]
        self.days = 0

    def mark_next_day(self) -> None:
        day = (FIRST_DAY + timedelta(days=self.days)).isoformat()
        body = {"classId": 123, "sessionId": 456, "learningDate": day, "isSelectedAll": True}
        request = Request(f"{self._address}/attendances/create-batch", json.dumps(body).encode(), self._headers())
        with urlopen(request, timeout=10) as answer:
            assert answer.status == 202
        self.days += 1

    def open_batches(self) -> int:
        request = Request(f"{self._address}/attendances/batches?state=processing&limit=200", headers=self._headers())
        with urlopen(request, timeout=10) as answer:
            return len(json.load(answer)["items"])

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}


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


@pytest.fixture
def root() -> Generator[Path]:
    with short_folder() as folder:
        yield folder


def run(*arguments: str, **settings: str) -> None:
    ended = Commands(settings).run(*arguments)
    assert ended.returncode == 0, ended.stderr


def records(folder: DataFolder) -> Counter[str]:
    """Returns the number of records of each day."""
    with closing(sqlite3.connect(folder.database)) as connection:
        return Counter(day for (day,) in connection.execute("SELECT learning_date FROM attendances"))


@pytest.mark.long
def test_up_recovers_from_a_crash_and_a_backup_of_it_contains_what_it_has_accepted(root: Path) -> None:
    first, second, archive = DataFolder(root / "first"), DataFolder(root / "second"), root / "backup.tar.gz"
    with ExitStack() as stack:
        up, address = start_up_after_a_crash(first, stack)
        client = Client(address, first)
        enough = threading.Event()
        marking = threading.Thread(target=mark_until, args=(client, enough))
        marking.start()
        wait_until(lambda: client.days >= 20, 30, "some are marked")
        run("queue", "pause", data_dir=str(first.root))
        wait_until(lambda: client.open_batches() >= 5, 30, "some wait")
        before = client.days
        run("backup", str(archive), "--data-dir", str(first.root))
        after = client.days
        wait_until(lambda: client.days > after, 30, "more are marked")
        enough.set()
        marking.join()
        up.terminate()
        assert up.wait(40) == 0
    run("restore", str(archive), "--data-dir", str(second.root))
    with ExitStack() as stack:
        up, address = start_up(second, stack)
        client = Client(address, second)
        wait_until(lambda: client.open_batches() == 0, 30, "what waited is done")
        stop(up, signal.SIGTERM)
    found = records(second)
    assert set(found.values()) == {30}
    assert before <= len(found) <= after + 1
    assert sorted(found) == [(FIRST_DAY + timedelta(days=number)).isoformat() for number in range(len(found))]


def start_up_after_a_crash(folder: DataFolder, stack: ExitStack) -> tuple[subprocess.Popen[str], str]:
    """Starts `up`, kills it and starts it again."""
    first, address = start_up(folder, stack)
    require_ready(address)
    accounts = json.loads(folder.credentials.read_text())
    assert accounts["admin@school.example"]
    assert stat.S_IMODE(folder.credentials.stat().st_mode) == 0o600
    pids = [int(path.read_text().split()[0]) for path in folder.running.iterdir()]

    first.kill()
    wait_until(lambda: not any(map(is_alive, pids)), 10, "everything of the first start is gone")
    second, address = start_up(folder, stack)
    require_ready(address)
    assert json.loads(folder.credentials.read_text()) == accounts
    return second, address


def require_ready(address: str) -> None:
    with urlopen(f"{address}/readyz", timeout=10) as answer:
        assert answer.status == 200


def mark_until(client: Client, enough: threading.Event) -> None:
    while not enough.wait(PAUSE_S):
        client.mark_next_day()
