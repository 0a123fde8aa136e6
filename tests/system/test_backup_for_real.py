"""A backup made while `up` records, restored into another folder: it contains all records of that time, each once."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, closing
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from adsum.embedded.data_folder import DataFolder
from tests.support.commands import Commands
from tests.support.servers.processes import short_folder, stop, wait_until
from tests.system.test_up_for_real import start_up

FIRST_DAY = date(2024, 9, 2)


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


def test_batches_accepted_before_a_backup_are_recorded_where_it_is_restored(root: Path) -> None:
    first, second, archive = DataFolder(root / "first"), DataFolder(root / "second"), root / "backup.tar.gz"
    with ExitStack() as stack:
        up, address = start_up(first, stack)
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
        stop(up, signal.SIGTERM)
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


def mark_until(client: Client, enough: threading.Event) -> None:
    while not enough.is_set():
        client.mark_next_day()
