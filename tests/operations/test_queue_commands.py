"""`adsum queue`, which needs no database, and records in its audit log who paused the queue."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from adsum.platform.embedded.valkey import Valkey
from tests.support.commands import commands
from tests.support.servers.valkey import tell


def test_the_queue_is_paused_and_resumed_without_a_database(redis_url: str, tmp_path: Path) -> None:
    adsum = commands(redis_url=redis_url, database_url=f"sqlite:///{tmp_path}/none.db")
    state: dict[str, Any] = {"paused": False, "waiting": 0, "active": 0, "delayed": 0, "failed": 0, "workers": []}
    assert json.loads(adsum.output("queue", "status", "--json")) == state
    assert json.loads(adsum.run("queue", "pause", "--json").stdout) == state | {"paused": True}
    assert adsum.output("queue", "status").splitlines()[0].split() == ["Paused", "yes"]
    assert json.loads(adsum.run("queue", "resume", "--json").stdout) == state


def test_pausing_and_resuming_is_in_the_audit_log(redis_url: str, sqlite_url: str, tmp_path: Path) -> None:
    adsum = commands(redis_url=redis_url, database_url=sqlite_url)
    for command in ("pause", "pause", "resume", "resume"):
        assert adsum.run("queue", command).stderr == ""
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as database:
        entries = database.execute("SELECT action, caller_role FROM audit_entries ORDER BY id").fetchall()
    assert entries == [("queue_paused", "system"), ("queue_resumed", "system")]

    without = commands(redis_url=redis_url, database_url=f"sqlite:///{tmp_path}/none.db")
    paused, resumed = without.run("queue", "pause"), without.run("queue", "resume")
    assert "the audit log does not record this" in paused.stderr
    assert len(resumed.stderr.splitlines()) == 1
    assert not (tmp_path / "none.db").exists()


def test_a_queue_is_paused_although_the_server_hides_its_clients(
    redis_url: str, sqlite_url: str, valkey: Valkey
) -> None:
    adsum = commands(redis_url=redis_url, database_url=sqlite_url)
    tell(valkey, "ACL SETUSER default -client|list")
    try:
        paused = json.loads(adsum.output("queue", "pause", "--json"))
    finally:
        tell(valkey, "ACL SETUSER default +client|list")
    assert (paused["paused"], paused["workers"]) == (True, None)


def test_an_unavailable_redis_is_one_line_on_stderr(tmp_path: Path) -> None:
    ended = commands(redis_url=f"unix://{tmp_path}/nowhere").run("queue", "pause")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("adsum: Valkey or Redis does not answer: Error ")


def test_shards_are_listed_with_their_prefixes_and_messages(redis_url: str, sqlite_url: str) -> None:
    adsum = commands(redis_url=redis_url, database_url=sqlite_url, queue_shards="2", key_prefix="ours:")
    first, second = json.loads(adsum.output("queue", "shards", "--json"))
    assert second["keyPrefix"].startswith("ours:{adsum-1-of-2-")
    assert first == {**second, "number": 0, "keyPrefix": first["keyPrefix"]}
    assert (second["paused"], second["waiting"], second["active"], second["workers"]) == (False, 0, 0, 0)
    assert adsum.output("queue", "shards").splitlines()[1].split() == ["0", first["keyPrefix"], "no", "0", "0", "0"]


def test_a_shard_that_does_not_answer_is_listed_without_figures(sqlite_url: str, tmp_path: Path) -> None:
    adsum = commands(redis_url=f"unix://{tmp_path}/nobody.sock", database_url=sqlite_url)
    (shard,) = json.loads(adsum.output("queue", "shards", "--json"))
    assert (shard["number"], shard["waiting"], shard["workers"]) == (0, None, None)
