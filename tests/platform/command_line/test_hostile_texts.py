"""Texts that somebody has entered to write to the terminal of an operator, in the output of real commands."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import adsum
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.output import show_one
from adsum.platform.texts import readable
from tests.support.commands import Commands, commands
from tests.support.live import environment

PACKAGE = Path(adsum.__file__).parent
HOSTILE = "\x1b[31mred\x07 \x9b2J \u202eevil\nId  7 \u200fעדה"
SHOWN = "\ufffd[31mred\ufffd \ufffd2J \ufffdevil ↵ Id  7 \ufffdעדה"
URL = "http://127.0.0.1:8099/?a\x1b[31mred\x1b]0;pwn\x07\x7f"
NETWORKS = {"ADSUM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
ARRIVAL = ("desk", "arrival", "--student", "1", "--time", "09:00", "--reason", HOSTILE, "--date", "2024-12-25")
# Sets colours, as Rich does; nothing else that begins with ESC is expected.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
WRITES = re.compile(r"typer\.s?echo\(|std(out|err)\.write\(|(?<![.\w])print\(")


def on_terminal(demo: Commands, *arguments: str) -> str:
    """The output of a command on a terminal of 300 columns."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "adsum", *arguments],
        env=environment(**demo.settings) | {"TERM": "xterm-256color", "COLUMNS": "300"},
        stdout=end,
        stderr=end,
    )
    os.close(end)
    written = b""
    try:
        while part := os.read(terminal, 65536):
            written += part
    except OSError:  # the end of a terminal
        pass
    os.close(terminal)
    process.wait(60)
    return written.decode()


def test_a_reason_and_a_refused_url_cannot_write_to_a_terminal(demo: Commands) -> None:
    entered = demo.output(*ARRIVAL)
    refused = demo.run("webhook", "create", URL, **NETWORKS)
    listed = demo.output("desk", "list")

    assert refused.returncode != 0
    assert [line.split("  ", 1)[1].strip() for line in entered.splitlines() if line.startswith("Reason")] == [SHOWN]
    assert len(listed.splitlines()) == 2
    assert SHOWN in listed
    for output in (listed, refused.stdout, refused.stderr, entered):
        assert readable(output) == output


@pytest.mark.long
def test_colours_of_a_terminal_are_those_of_the_command_alone(demo: Commands) -> None:
    demo.output(*ARRIVAL)
    terminal = on_terminal(demo, "desk", "list")
    plain = COLOURS.sub("", terminal).replace("\r\n", "\n")
    assert "\ufffd[31mred\ufffd" in plain
    assert readable(plain) == plain
    assert "\x1b[31m" not in terminal


def test_json_has_the_values_as_they_are_stored_and_no_character_that_a_terminal_obeys(demo: Commands) -> None:
    entered = demo.output(*ARRIVAL, "--json")
    listed = demo.output("desk", "list", "--json")
    exported = demo.output("student", "export", "1")

    assert json.loads(entered)["reason"] == json.loads(listed)[0]["reason"] == HOSTILE
    assert json.loads(exported)["deskEntries"][0]["reason"] == HOSTILE
    for output in (entered, listed, exported):
        assert readable(output) == output
        assert "עדה" in output


def test_errors_show_what_was_typed_without_obeying_it() -> None:
    for arguments in (("key", HOSTILE), ("key", "revoke", HOSTILE), ("key", "revoke", "1", HOSTILE), (f"--{HOSTILE}",)):
        ended = commands().run(*arguments)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "[31mred" in ended.stderr
        assert readable(ended.stderr) == ended.stderr


def test_a_text_cannot_look_like_another_notice(capsys: pytest.CaptureFixture[str]) -> None:
    show_notice("no student \x1b[2Jx\nadsum: all is well\n  a line of the same notice")
    assert capsys.readouterr().err == (
        "adsum: no student \ufffd[2Jx\n  adsum: all is well\n  a line of the same notice\n"
    )


def test_a_value_without_a_text_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    show_one({"answer": "", "period": None, "warnings": [], "note": "\n"}, as_json=False)
    assert [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()] == ["-", "-", "-", "↵"]


def test_commands_write_texts_in_one_place_alone() -> None:
    files = [path for path in PACKAGE.rglob("*commands.py") if WRITES.search(path.read_text(encoding="utf-8"))]
    assert files == []
