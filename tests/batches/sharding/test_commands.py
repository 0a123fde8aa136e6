"""While the number of shards changes, commands that enqueue are refused if theirs is not that of the workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from adsum.platform.settings import Settings
from tests.batches.sharding.test_numbers import with_shards
from tests.support.commands import Commands
from tests.support.live import SECRET

BATCH_ID = "class-123-session-456-date-25122024"
CREATE = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25", "--present", "1,2,3")
ARRIVAL = ("desk", "arrival", "--student", "1", "--time", "09:00", "--reason", "dentist", "--date", "2024-12-25")
NUMBER = 2


@pytest.fixture
async def changed(demo: Commands, tmp_path: Path) -> Commands:
    """Commands in a folder with `marks.csv`, and with another number of shards than the worker that leads now."""
    (tmp_path / "marks.csv").write_text("classId,sessionId,studentId,date,status\n123,456,4,2024-12-25,absent\n")
    demo.output(*CREATE)
    settings = Settings(
        database_url=demo.settings["database_url"], redis_url=demo.settings["redis_url"], secret_key=SecretStr(SECRET)
    )
    async with with_shards(settings, NUMBER) as worker:
        await worker.earlier_shards.empty_if_due()
    return demo


async def test_commands_that_enqueue_are_refused_before_they_write(changed: Commands, tmp_path: Path) -> None:
    log = changed.output("audit", "list", "--json")
    for arguments in (
        (*CREATE[:-1], "4,5"),
        ("batch", "retry", BATCH_ID),
        ("attendance", "import", str(tmp_path / "marks.csv")),
        ARRIVAL,
        ("desk", "complete", "1"),
        ("desk", "undo", "1"),
    ):
        refused = changed.run(*arguments)
        expected = (
            f"adsum: the number of shards of the queue is {NUMBER}, and that of this command 1: "
            f"set ADSUM_QUEUE_SHARDS as for the workers, which serve {NUMBER}\n"
        )
        assert (refused.returncode, refused.stderr) == (1, expected), arguments
    assert changed.output("audit", "list", "--json") == log
    assert json.loads(changed.output("desk", "list", "--json")) == []
    assert json.loads(changed.output("batch", "status", BATCH_ID, "--json"))["totalJobs"] == 3
    accepted = changed.output(*CREATE[:-1], "4,5", "--json", ADSUM_QUEUE_SHARDS=str(NUMBER))
    assert json.loads(accepted)["batchId"] == BATCH_ID


async def test_other_commands_work(changed: Commands, tmp_path: Path) -> None:
    changed.output("token", "create", "admin@school.example")
    changed.output("user", "disable", "teacher@school.example")
    dry = changed.run("attendance", "import", "--dry-run", str(tmp_path / "marks.csv"))
    assert (dry.returncode, dry.stdout.splitlines()[-1]) == (0, "A dry run: nothing was changed.")
    assert json.loads(changed.output("batch", "cancel", BATCH_ID, "--json"))["state"] == "cancelled"
