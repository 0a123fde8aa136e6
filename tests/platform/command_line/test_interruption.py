"""A command that a signal ends leaves no temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from sqlalchemy import text

from adsum.platform.database.engine import Database
from adsum.platform.database.table_changes import allow_idle
from adsum.platform.embedded.data_folder import DataFolder
from tests.support.forked import running_forked
from tests.support.live import environment
from tests.support.waiting import until

ENDED_WITHIN_S = 60
STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
# The command as it runs, until it begins with one of its steps, in which it writes a line and waits for a signal.
PAUSED = """
import importlib, signal, sys
module, step, *sys.argv[1:] = sys.argv[1:]
def pause(*_, **__):
    print("paused", flush=True)
    signal.pause()
setattr(importlib.import_module(module), step, pause)
from adsum.main import main
main()
"""


@pytest.mark.parametrize("number", STATUSES)
async def test_a_signal_ends_an_archive_and_an_export_without_a_trace(
    postgres_database: Database, postgres_url: str, tmp_path: Path, number: int
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    commands: Sequence[Sequence[str]] = (
        ("year", "archive", "2020", str(folder / "2020.tar")),
        ("attendance", "export", "--from", "2024-09-01", "--to", "2024-09-30", "--output", str(folder / "marks.csv")),
    )
    for arguments in commands:
        async with postgres_database.transaction() as connection:
            await allow_idle(connection)
            await connection.execute(text("LOCK TABLE attendances IN ACCESS EXCLUSIVE MODE"))
            given = environment(database_url=postgres_url, redis_url="redis://127.0.0.1:1", data_dir=str(tmp_path))
            with running_forked(arguments, given, tmp_path / "log") as process:

                async def has_begun() -> bool:
                    return any(folder.iterdir()) or not process.is_running

                await until(has_begun, seconds=ENDED_WITHIN_S)
                process.send_signal(number)
                assert process.wait(ENDED_WITHIN_S) == STATUSES[signal.Signals(number)], process.output()
        assert list(folder.iterdir()) == []


# A command that asks, and then cleans up until it reads a line.
ASKING = """
import asyncio, sys, typer
from adsum.platform.command_line.interruption import interruptible
app = typer.Typer()

@app.command()
def ask():
    typer.confirm("Go on?")

@app.command()
def clean_up():
    async def run():
        try:
            print("begun", flush=True)
            await asyncio.Event().wait()
        finally:
            print("cleaning up", flush=True)
            sys.stdin.readline()
            print("cleaned up", flush=True)
    asyncio.run(run())

with interruptible():
    app()
"""


@pytest.fixture(autouse=True)
def signals_as_at_a_terminal() -> Iterator[None]:
    """Commands inherit which signals are ignored: SIGHUP in tests that `nohup` started, SIGINT in background jobs."""
    handlers = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    ignored = [each for each in handlers if signal.getsignal(each) is signal.SIG_IGN]
    for each in ignored:
        signal.signal(each, handlers[each])
    yield
    for each in ignored:
        signal.signal(each, signal.SIG_IGN)


@contextmanager
def asking(command: str) -> Generator[tuple[subprocess.Popen[str], IO[str]]]:
    """Runs a command of `ASKING` until the end of the block at the latest. Yields it with its output."""
    with subprocess.Popen(
        [sys.executable, "-c", ASKING, command],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_a_prompt_has_its_own_exit_status(number: signal.Signals) -> None:
    with asking("ask") as (process, output):
        assert output.read(len("Go on?")) == "Go on?"
        process.send_signal(number)
        assert process.wait(ENDED_WITHIN_S) == STATUSES[number]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_interrupt_the_clean_up(second: signal.Signals) -> None:
    with asking("clean-up") as (process, output):
        assert output.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        assert output.readline() == "cleaning up\n"
        process.send_signal(second)
        rest, _ = process.communicate("go on\n", timeout=ENDED_WITHIN_S)
    assert (rest, process.returncode) == ("cleaned up\n", STATUSES[signal.SIGHUP])


@pytest.fixture
def backup(sqlite_template: Path, tmp_path: Path) -> Path:
    """The folder with a data folder `data` and its backup `backup.tar.gz`."""
    data = DataFolder(tmp_path / "data")
    data.create()
    data.database.write_bytes(sqlite_template.read_bytes())
    made = [sys.executable, "-m", "adsum", "backup", str(tmp_path / "backup.tar.gz"), "--data-dir", str(data.root)]
    subprocess.run(made, env=environment(), check=True, capture_output=True, timeout=60)
    return tmp_path


@pytest.mark.parametrize("is_ignored", [False, True])
@pytest.mark.parametrize(
    ("module", "step", "arguments"),
    [
        ("adsum.platform.embedded.backup", "pack", ("backup", "other.tar.gz", "--data-dir", "data")),
        ("adsum.platform.embedded.restore", "_swap", ("restore", "backup.tar.gz", "--data-dir", "new")),
    ],
)
def test_a_signal_ends_a_backup_and_a_restore_without_a_trace(
    backup: Path, module: str, step: str, arguments: Sequence[str], *, is_ignored: bool
) -> None:
    """A job in the background of a script ignores SIGINT."""
    before = sorted(backup.rglob("*"))
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_ignored else None
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", PAUSED, module, step, *arguments],
            env=environment(),
            cwd=backup,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        if previous is not None:
            signal.signal(signal.SIGINT, previous)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "paused\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ENDED_WITHIN_S)
    assert process.returncode == STATUSES[signal.SIGTERM]
    assert sorted(backup.rglob("*")) == before


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """`nohup adsum` outlives the terminal."""
    program = (
        "import os, signal\n"
        "from adsum.platform.command_line.interruption import interruptible\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with interruptible():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=environment(), cwd=tmp_path, timeout=60, check=False)
    assert ended.returncode == os.EX_OK
