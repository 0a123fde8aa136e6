"""`adsum doctor`: at a terminal, in a script, with servers and without."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from tests.support.commands import commands
from tests.support.forked import start_forked
from tests.support.live import SECRET, environment
from tests.support.servers.processes import START_S, wait_until


def test_an_empty_folder_is_reported_line_by_line_without_a_traceback(tmp_path: Path) -> None:
    ended = commands(data_dir=str(tmp_path / "data")).run("doctor")
    assert (ended.returncode, ended.stderr) == (1, "")
    lines = ended.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["error", "database"], ["error", "redis"]]
    assert lines[0].endswith("  ->  adsum up")
    assert lines[-2:] == [
        (
            "Not checked: migrations, eviction, persistence, memory, queue, workers, batches, keys, audit, events, "
            "webhooks, database connections, api keys, roster sync."
        ),
        "2 errors, 0 warnings.",
    ]
    assert not (tmp_path / "data").exists()


def test_a_signing_key_that_is_too_short_is_one_finding_among_others(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("short")
    output = json.loads(commands(data_dir=str(tmp_path), secret_key="").run("doctor", "--json").stdout)
    found = {each["check"]: each for each in output["findings"]}
    assert (found["signing key"]["severity"], found["signing key"]["remedy"]) == ("error", "adsum config show")
    assert found["database"]["severity"] == "error"


def test_servers_are_named_without_their_passwords(tmp_path: Path) -> None:
    """Nobody listens on port 1."""
    urls = {
        "redis_url": "redis://:hunter2@127.0.0.1:1/0",
        "database_url": "postgresql://adsum:hunter2@127.0.0.1:1/adsum",
    }
    output = commands(data_dir=str(tmp_path), **urls).run("doctor").stdout
    assert "\nNot checked: migrations, eviction, " in output
    assert "127.0.0.1:1/adsum does not answer" in output
    assert "127.0.0.1:1 does not answer" in output
    assert "hunter2" not in output


def test_fix_repairs_and_checks_again(sqlite_url: str, redis_url: str, tmp_path: Path) -> None:
    lock = "attendance-batch-lock:class-123-session-456-date-25122024"
    with Redis.from_url(redis_url) as redis:  # pyright: ignore[reportUnknownMemberType]
        redis.set(lock, "01930000-0000-7000-8000-00000000ffff")
        adsum = commands(database_url=sqlite_url, redis_url=redis_url, data_dir=str(tmp_path))
        output = json.loads(adsum.run("doctor", "--json").stdout)
        mendable = {each["check"] for each in output["findings"] if each["isMendable"]}
        assert (output["mended"], mendable, output["notLookedAt"]) == ([], {"locks", "lifetimes"}, [])
        tmp_path.chmod(0o700)
        ended = adsum.run("doctor", "--fix")
        assert "repaired cleared 1 lock\n" in ended.stdout
        assert ended.stdout.endswith("1 error, 0 warnings.\n")  # there is no worker
        assert redis.exists(lock) == 0


def test_warnings_alone_do_not_fail_the_command(sqlite_url: str, redis_url: str, tmp_path: Path) -> None:
    """An hourly run alerts on errors only."""
    tmp_path.chmod(0o700)
    adsum = commands(database_url=sqlite_url, redis_url=redis_url, data_dir=str(tmp_path))
    log = tmp_path / "worker.log"
    worker = start_forked(["worker"], environment(**adsum.settings), log)
    try:
        wait_until(lambda: log.exists() and "worker started" in log.read_text(), START_S, "the worker has started")
        adsum.output("queue", "pause")
        ended = adsum.run("doctor")
        while "none is connected" in ended.stdout and worker.is_running:  # its connections have no name yet
            ended = adsum.run("doctor")
    finally:
        worker.stop()
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "0 errors, 1 warning.")
    assert (
        "warning  queue            paused: 0 messages waiting, 0 being processed  ->  adsum queue resume"
        in ended.stdout
    )


@pytest.mark.long
def test_at_a_terminal_each_finding_has_a_sign_and_its_remedy_below(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    settings = environment(data_dir=str(tmp_path / "data"), secret_key=SECRET)
    process = subprocess.Popen(
        [sys.executable, "-m", "adsum", "doctor"],
        env=settings | {"TERM": "dumb", "COLUMNS": "100"},
        stdout=end,
        stderr=subprocess.PIPE,
    )
    os.close(end)
    _, errors = process.communicate(timeout=60)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert (process.returncode, errors) == (1, b"")
    assert "✗  Database" in shown
    assert "→ adsum up" in shown
    assert "✓  Signing key" in shown
    assert "Not checked: migrations, " in shown
    assert "2 errors, 0 warnings." in shown
