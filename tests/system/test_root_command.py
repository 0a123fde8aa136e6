from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import run

import pytest

from adsum import __version__, main
from adsum.main import GROUPS, SINGLE
from adsum.platform.database.engine import open_database
from adsum.platform.database.revision import current_revision, newest_revision
from adsum.platform.ids import MAX_ID
from tests.support.commands import commands
from tests.support.live import environment


def test_the_version_is_printed() -> None:
    assert commands().output("--version") == f"adsum {__version__}\n"


def test_help_lists_every_command_without_importing_any(tmp_path: Path) -> None:
    shown = commands().output("--help")
    for name in (*SINGLE, *GROUPS):
        assert f"  {name} " in shown
    script = "import sys, adsum.main as m; m.typer.main.get_command(m.app); print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = run(command, env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split()
    assert not {"fastapi", "sqlalchemy", "pydantic", "bullmq"} & set(loaded)


def test_usage_errors_exit_with_2_in_plain_text() -> None:
    for arguments in (["nonsense"], ["user", "nonsense"], ["token", "create"], ["user", "add", "a", "--role", "boss"]):
        ended = commands().run(*arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "Error:" in ended.stderr
        assert "╭" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("user", "add", "a", "--role", "boss"), "--role"),
        (("key", "create", "a", "--permission", "boss"), "--permission"),
        (("batch", "list", "--state", "boss"), "--state"),
        (("status", "add", "a", "--label", "A", "--letter", "A", "--counts-as", "boss"), "--counts-as"),
    ],
)
def test_a_wrong_choice_is_reported_with_all_valid_ones(arguments: tuple[str, ...], option: str) -> None:
    message = commands().run(*arguments).stderr
    assert f"Error: Invalid value for '{option}': 'boss' is not one of " in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("key", "revoke", "k1"), "'ID': 'k1' is not a whole number"),
        (("key", "revoke", "0"), "'ID': '0' is too small: the smallest is 1"),
        (("student", "list", "--class", "9" * 19), f"'--class': '{'9' * 19}' is too large: the largest is {MAX_ID}"),
        (("student", "list", "--class", "9" * 5000), f"'--class': '{'9' * 40}' is too large"),
        (("event", "list", "--limit", "1.5"), "'--limit': '1.5' is not a whole number"),
    ],
)
def test_a_wrong_number_is_reported_as_other_wrong_values_are(arguments: tuple[str, ...], message: str) -> None:
    ended = commands().run(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith(f"Error: Invalid value for {message}\n")


def test_a_wrong_setting_is_reported_in_one_line() -> None:
    ended = commands(port="eighty").run("migrate")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "ADSUM_PORT" in ended.stderr


def test_a_folder_of_another_user_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Called in this process, since root, which may run the tests, is never refused."""

    def refuse(prog_name: str) -> None:
        raise PermissionError(13, "Permission denied", "/srv/adsum-data/adsum.db")

    monkeypatch.setattr(main, "app", refuse)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert (ended.value.code, capsys.readouterr().err) == (1, "adsum: /srv/adsum-data/adsum.db: Permission denied\n")


async def test_migrate_brings_a_new_database_up_and_may_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    behind = commands(database_url=url).run("user", "list")
    assert (behind.returncode, behind.stdout) == (1, "")
    assert "adsum migrate" in behind.stderr
    applied = list[int]()
    for _ in range(2):
        migrated = json.loads(commands(database_url=url).output("migrate", "--json"))
        assert migrated["revision"] == newest_revision()
        applied.append(migrated["appliedMigrations"])
    assert applied[0] > applied[1] == 0
    database = open_database(url)
    assert await current_revision(database) == newest_revision()
    await database.close()
