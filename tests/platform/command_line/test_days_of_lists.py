"""Commands that list a period refuse one whose last day is before its first, instead of finding nothing."""

from __future__ import annotations

import pytest

from tests.support.commands import commands

LISTS = (
    *("absence list", "attendance list", "calendar show", "contact list", "contradiction list", "cover list"),
    *("desk list", "register reminders"),
)


@pytest.mark.every_case
@pytest.mark.parametrize("command", LISTS)
def test_a_list_refuses_a_last_day_before_the_first(command: str) -> None:
    ended = commands().run(*command.split(), "--from", "2024-12-25", "--to", "2024-12-24")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith("Invalid value for --to: 2024-12-24 is before 2024-12-25\n")
