"""Options that are given twice."""

from __future__ import annotations

import pytest

from tests.support.commands import Commands, commands


@pytest.fixture
def adsum(sqlite_url: str) -> Commands:
    return commands(database_url=sqlite_url)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("webhook change 1 --any-order --in-order", "--any-order or --in-order"),
        ("webhook change 1 --in-order --in-order", "--any-order or --in-order"),
        ("status change trip --retire --label Trip --reuse", "--retire or --reuse"),
        ("school change 1 --no-office-logins --office-logins", "--office-logins or --no-office-logins"),
        ("attendance import marks.csv --school 1 --school 2", "--school"),
    ],
)
def test_an_option_with_one_value_is_refused_if_it_is_given_twice(adsum: Commands, arguments: str, named: str) -> None:
    ended = adsum.run(*arguments.split())

    assert ended.returncode == 2
    assert f"give {named} once" in " ".join(ended.stderr.replace("│", " ").split())


def test_what_is_repeatable_and_what_says_the_same_again_can_be_repeated(demo: Commands) -> None:
    created = demo.output(
        *("key", "create", "Platform", "--permission", "roster:read", "--permission", "event:read", "--json", "--json")
    )

    assert '"event:read"' in created
    assert '"roster:read"' in created
