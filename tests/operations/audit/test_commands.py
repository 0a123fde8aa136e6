"""`adsum audit`: what people read on a terminal and in a file."""

from __future__ import annotations

import re

import pytest

from tests.support.commands import commands


def test_a_log_is_shown_and_verified(sqlite_url: str) -> None:
    adsum = commands(database_url=sqlite_url, secret_key="k" * 40)
    adsum.output("user", "add", "a@school.example", "--role", "admin")
    heading, entry = adsum.output("audit", "list").splitlines()
    assert ("Os user" in heading, "Address" in heading, '{"role":"admin"}' in entry) == (True, True, True)
    verified = adsum.output("audit", "verify")
    assert verified.startswith("The audit log is intact: 0 entries\n")
    head = re.search(r"^Head +(0:[0-9a-f]{64})$", verified, re.MULTILINE)
    assert head is not None
    assert "Problem" not in verified
    adsum.output("audit", "verify", "--head", head[1])
    wrong = adsum.run("audit", "verify", "--head", "48213:9f2c…")
    assert (wrong.returncode, "the hash has 64 digits" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("command", [("migrate",), ("serve",), ("user", "list")])
def test_a_database_that_does_not_answer_is_named_with_the_reason(command: tuple[str, ...]) -> None:
    ended = commands(database_url="postgresql://adsum:hunter2@127.0.0.1:1/adsum", secret_key="k" * 40).run(*command)
    assert ended.returncode == 1
    assert re.fullmatch(r"adsum: the database does not answer: .*127\.0\.0\.1.*\n", ended.stderr)
    assert "hunter2" not in ended.stderr
