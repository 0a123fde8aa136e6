"""The progress bar of a batch on a terminal."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from adsum.batches.rules import BatchStatus, RunState, Tally
from adsum.batches.terminal_progress import BatchBar

BATCH_ID = "class-123-session-456-date-25122024"
BEGAN = datetime(2024, 12, 25, 8, tzinfo=UTC)
HALF = Tally(recorded=1200, skipped=200, failed=100, cancelled=0, remaining=1500)


def drawn(
    tally: Tally,
    run_state: RunState = RunState.OPEN,
    *,
    took: timedelta = timedelta(seconds=65),
    encoding: str = "utf-8",
    width: int = 80,
    color: bool = False,
) -> list[str]:
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=output, width=width, height=25, force_terminal=True, no_color=not color, color_system="standard"
    )
    bar = BatchBar(lambda: BEGAN + took)
    console.print(bar)  # nothing is drawn before the first state
    ended = None if run_state is RunState.OPEN else BEGAN + took
    bar.show(BatchStatus(BATCH_ID, "run", 1, run_state, tally, BEGAN, ended))
    console.print(bar)
    output.seek(0)
    text = output.read()
    return (text if color else re.sub(r"\x1b\[[0-9;]*m", "", text)).splitlines()


def test_the_line_shows_batch_state_bar_figures_and_counts() -> None:
    title, bar, counts = drawn(HALF)
    assert title[1:] == f" {BATCH_ID}  processing"
    assert re.fullmatch(r"  ━+─+   50 %  1,500/3,000  1:05", bar)
    assert len(bar) == 80
    assert bar.count("━") == (80 - len(re.sub("[━─]", "", bar))) // 2
    assert counts == "  1,200 recorded · 200 skipped · 100 failed · 0 cancelled"


@pytest.mark.parametrize(
    ("tally", "run_state", "title"),
    [
        (Tally(recorded=30), RunState.CLOSED, f"✓ {BATCH_ID}  completed"),
        (Tally(recorded=29, failed=1), RunState.CLOSED, f"! {BATCH_ID}  completed with errors"),
        (Tally(recorded=20, cancelled=10), RunState.CANCELLED, f"✗ {BATCH_ID}  cancelled"),
    ],
)
def test_a_finished_batch_has_a_symbol_and_a_full_bar(tally: Tally, run_state: RunState, title: str) -> None:
    first, bar, _ = drawn(tally, run_state)
    assert first == title
    assert "100 %" in bar
    assert "─" not in bar


def test_the_bar_is_not_full_before_the_last_student() -> None:
    _, bar, _ = drawn(Tally(recorded=9_999, remaining=1))
    assert "99 %" in bar
    assert "─" in bar


def test_each_outcome_has_its_colour() -> None:
    _, bar, _ = drawn(HALF, color=True)
    assert [bar.index(f"\x1b[{code}m") for code in (32, 36, 31, 90)] == sorted(
        bar.index(f"\x1b[{code}m") for code in (32, 36, 31, 90)
    )


def test_a_terminal_without_unicode_gets_ascii() -> None:
    lines = drawn(HALF, encoding="ascii")
    assert "".join(lines).isascii()
    assert "#" in lines[1]


def test_an_empty_run_and_a_narrow_terminal_are_drawn() -> None:
    title, bar, _ = drawn(Tally(), RunState.CLOSED, took=timedelta(hours=2, seconds=3), width=30)
    assert title.startswith("✓")
    assert len(bar) <= 30
    assert "━━━━━━━━━━" in bar
