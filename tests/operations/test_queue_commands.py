"""`adsum queue`, which needs no database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adsum.embedded.valkey import Valkey
from tests.support.commands import commands
from tests.support.servers.valkey import tell


def test_the_queue_is_paused_and_resumed_without_a_database(redis_url: str, tmp_path: Path) -> None:
    adsum = commands(redis_url=redis_url, database_url=f"sqlite:///{tmp_path}/none.db")
    state: dict[str, Any] = {"paused": False, "waiting": 0, "active": 0, "delayed": 0, "failed": 0, "workers": []}
    assert json.loads(adsum.output("queue", "status", "--json")) == state
    assert json.loads(adsum.output("queue", "pause", "--json")) == state | {"paused": True}
    assert adsum.output("queue", "status").splitlines()[0].split() == ["Paused", "yes"]
    assert json.loads(adsum.output("queue", "resume", "--json")) == state


def test_a_queue_is_paused_although_the_server_hides_its_clients(
    redis_url: str, valkey: Valkey, tmp_path: Path
) -> None:
    tell(valkey, "ACL SETUSER default -client|list")
    try:
        paused = json.loads(commands(redis_url=redis_url).output("queue", "pause", "--json"))
    finally:
        tell(valkey, "ACL SETUSER default +client|list")
    assert (paused["paused"], paused["workers"]) == (True, None)


def test_an_unavailable_redis_is_one_line_on_stderr(tmp_path: Path) -> None:
    ended = commands(redis_url=f"unix://{tmp_path}/nowhere").run("queue", "pause")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("adsum: Valkey or Redis does not answer: Error ")
