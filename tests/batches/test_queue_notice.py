"""The notice of `adsum batch` about a queue that processes nothing."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from adsum.batches.queue.control import QueueControl
from adsum.batches.terminal_progress import AWAY, PAUSED, WORKERLESS, reporting_idleness
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.shards import Shards
from tests.support.commands import Commands
from tests.support.forked import STOP_S, running_forked
from tests.support.live import environment
from tests.support.servers.processes import START_S

BATCH_ID = "class-123-session-456-date-25122024"
CREATE = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25")
BEGUN = f"{BATCH_ID}: 0 % processing\n"


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


def test_watch_reports_once_that_the_queue_was_paused(demo: Commands, tmp_path: Path) -> None:
    demo.output(*CREATE, "--all")
    with running_forked(("batch", "watch", BATCH_ID), environment(**demo.settings), tmp_path / "log") as watching:
        watching.wait_for_output(BEGUN)
        demo.output("queue", "pause")
        watching.wait_for_output(f"{BEGUN}adsum: {PAUSED}\n")
        demo.output("batch", "cancel", BATCH_ID)
        watching.wait(STOP_S)
    rest = watching.output().replace(f"adsum: {WORKERLESS}\n", "")  # on a slow machine
    assert rest.startswith(f"{BEGUN}adsum: {PAUSED}\n{BATCH_ID}: 100 % cancelled\n")


def test_watch_reports_once_that_there_is_no_worker(demo: Commands, tmp_path: Path) -> None:
    demo.output(*CREATE, "--all")
    with running_forked(("batch", "watch", BATCH_ID), environment(**demo.settings), tmp_path / "log") as watching:
        watching.wait_for_output(f"{BEGUN}adsum: {WORKERLESS}\n")
        demo.output("batch", "cancel", BATCH_ID)
        watching.wait(STOP_S)
    assert watching.output().startswith(f"{BEGUN}adsum: {WORKERLESS}\n{BATCH_ID}: 100 % cancelled\n")


async def test_a_watch_ends_at_whatever_step_of_its_requests_it_is_interrupted(redis_url: str) -> None:
    redis = open_redis(redis_url, connections=1, socket_timeout=5)
    control = QueueControl(Shards.single(redis, ""), queue_name="attendance")
    async with aclosing(redis), asyncio.timeout(START_S):
        for steps in range(120):
            await redis.connection_pool.disconnect()  # so that it connects again
            async with reporting_idleness(control, pause_is_reported=False):
                for _ in range(steps):
                    await asyncio.sleep(0)


def test_an_ended_batch_has_no_notice(demo: Commands) -> None:
    demo.output(*CREATE, "--all")
    demo.output("batch", "cancel", BATCH_ID)
    demo.output("queue", "pause")
    assert PAUSED not in demo.run("batch", "watch", BATCH_ID).stderr
    assert PAUSED not in demo.run("batch", "status", BATCH_ID).stderr


def test_a_class_is_marked_while_redis_is_unavailable(demo: Commands, tmp_path: Path) -> None:
    settings = {name: value for name, value in demo.settings.items() if name != "log_level"}
    created = Commands(settings | {"redis_url": f"unix://{tmp_path}/nowhere"}).run(*CREATE, "--all")
    assert (created.returncode, BATCH_ID in created.stdout) == (0, True)
    assert created.stderr == f"adsum: {AWAY}\n"
