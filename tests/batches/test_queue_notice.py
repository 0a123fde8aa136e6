"""The notice of `adsum batch` about a queue that processes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from adsum.batches.terminal_progress import AWAY, PAUSED, WORKERLESS
from tests.support.commands import Commands
from tests.support.live import environment

BATCH_ID = "class-123-session-456-date-25122024"
CREATE = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25")


def test_create_reports_a_paused_queue(demo: Commands) -> None:
    demo.output("queue", "pause")
    for _ in range(2):  # the second request finds the batch waiting
        created = demo.run(*CREATE, "--all")
        assert (created.returncode, created.stderr) == (0, f"adsum: {PAUSED}\n")


def test_status_reports_a_paused_queue(demo: Commands) -> None:
    demo.output(*CREATE, "--all")
    demo.output("queue", "pause")

    status = demo.run("batch", "status", BATCH_ID)

    assert (status.returncode, status.stderr) == (0, f"adsum: {PAUSED}\n")


def test_watch_reports_once_that_the_queue_was_paused(demo: Commands) -> None:
    demo.output(*CREATE, "--all")
    command = [sys.executable, "-m", "adsum", "batch", "watch", BATCH_ID]
    with subprocess.Popen(command, env=environment(**demo.settings), stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline() == f"{BATCH_ID}: 0 % processing\n"
        demo.output("queue", "pause")
        assert watching.stderr.readline() == f"adsum: {PAUSED}\n"
        demo.output("batch", "cancel", BATCH_ID)
        rest = watching.stderr.read().removeprefix(f"adsum: {WORKERLESS}\n")  # on a slow machine
        assert rest.startswith(f"{BATCH_ID}: 100 % cancelled\n")


def test_watch_reports_once_that_there_is_no_worker(demo: Commands) -> None:
    demo.output(*CREATE, "--all")
    command = [sys.executable, "-m", "adsum", "batch", "watch", BATCH_ID]
    with subprocess.Popen(command, env=environment(**demo.settings), stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline() == f"{BATCH_ID}: 0 % processing\n"
        assert watching.stderr.readline() == f"adsum: {WORKERLESS}\n"
        demo.output("batch", "cancel", BATCH_ID)
        assert watching.stderr.read().startswith(f"{BATCH_ID}: 100 % cancelled\n")


def test_an_ended_batch_has_no_notice(demo: Commands) -> None:
    demo.output(*CREATE, "--all")
    demo.output("batch", "cancel", BATCH_ID)
    demo.output("queue", "pause")
    assert PAUSED not in demo.run("batch", "watch", BATCH_ID).stderr
    assert PAUSED not in demo.run("batch", "status", BATCH_ID).stderr


def test_a_class_is_marked_while_redis_is_unavailable(demo: Commands, tmp_path: Path) -> None:
    settings = {name: value for name, value in demo.settings.items() if name != "log_level"}
    created = Commands(settings | {"redis_url": f"unix://{tmp_path}/nowhere"}).run(*CREATE, "--all")
    assert (created.returncode, created.stdout.startswith("Batch id")) == (0, True)
    assert created.stderr == f"adsum: {AWAY}\n"
