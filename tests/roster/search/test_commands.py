"""`adsum search`."""

from __future__ import annotations

import json

from tests.support.commands import Commands


def test_matches_of_each_kind_are_printed(demo: Commands) -> None:
    lines = [line.split() for line in demo.output("search", "teacher").splitlines()]
    assert lines[0] == ["Kind", "Id", "Name", "Sourced", "id", "School", "id"]
    assert any(line[0] == "user" and line[2] == "teacher@school.example" for line in lines[1:])
    assert json.loads(demo.output("search", "123", "--json")).keys() == {"students", "classes", "users"}
    letter = demo.run("search", "t")
    assert (letter.returncode, letter.stdout) == (1, "")
    assert "a search needs a word of at least two letters" in letter.stderr
    nothing = demo.run("search", "nobody at all")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "adsum: nothing matches these words\n")
