"""Part `upgrade`: replaces processes of the release before by those of this one, and back, while classes are marked."""

from __future__ import annotations

import asyncio
import subprocess
import tarfile
import time
from compileall import compile_dir
from io import BytesIO
from pathlib import Path

from alembic import command

from adsum.platform.database import schema
from adsum.platform.database.revision import COMPATIBLE_FROM
from tests.platform.database.release_before.tables import recorded
from tests.support.live import ROOT
from tests.support.servers.processes import short_folder
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.load import constant_load

GOAL = "Processes replaced by those of the next release and back 5 times: no failed request, nothing lost"
TIMES = 5
WORKERS = 2
# Both releases work side by side for this time.
BETWEEN_S = 2.0
ENDED_S = 60.0
WITHIN_S = 120.0


async def upgrades(seed: int, minutes: float) -> Result:
    """Migrates and upgrades, goes back, and upgrades again, until five upgrades are done or the time is over."""
    began, rounds = time.monotonic(), 0
    with short_folder() as folder:
        before = _release_before(folder)
        async with open_testbed(seed, workers=WORKERS, has_proxies=False, release=before) as testbed:
            await _go_back_to_old_tables(testbed)
            async with constant_load(testbed.load, pause=0.1):
                await asyncio.sleep(BETWEEN_S)  # old processes on old tables
                await schema.migrate(testbed.installation.adsum.database)
                while rounds < TIMES and time.monotonic() - began < minutes * 60:
                    await _replace_all(testbed, None)
                    await _replace_all(testbed, before)
                    rounds += 1
                await _replace_all(testbed, None)
            await testbed.verify(WITHIN_S)
            load = testbed.load
    figures = {
        "upgrades": rounds,
        "batches": len(load.accepted),
        "refused with Retry-After": load.refusals,
        "without an answer": load.losses,
    }
    reached = rounds >= TIMES and not load.losses
    return Result("upgrade", GOAL, seed, time.monotonic() - began, reached, figures)


def _release_before(folder: Path) -> Path:
    """The source of the recorded release, from the history of this repository."""
    commit = recorded()["commit"]
    archive = subprocess.run(("git", "archive", commit, "src"), cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder / "before", filter="data")
    compile_dir(folder / "before", quiet=1)  # otherwise each process would compile every module
    return folder / "before"


async def _go_back_to_old_tables(testbed: Testbed) -> None:
    """Takes back the migrations of this release. Its processes have created the classes, none of them runs."""
    # Outside of a transaction: an index is dropped concurrently.
    async with testbed.installation.adsum.database.autocommit_read() as connection:
        await connection.run_sync(lambda each: command.downgrade(schema._config(each), COMPATIBLE_FROM))  # pyright: ignore[reportPrivateUsage]


async def _replace_all(testbed: Testbed, release: Path | None) -> None:
    """Starts processes of a release, and ends the others one by one as an operator does. Each finishes its work."""
    testbed.installation.release = release
    old = testbed.api
    await testbed.replace_api()
    await asyncio.sleep(BETWEEN_S)
    old.terminate()
    for worker in list(testbed.workers):
        await testbed.replace_worker(worker)
        worker.terminate()
        await worker.wait_until_ended(ENDED_S)
    await old.wait_until_ended(ENDED_S)
