"""How far a batch has come, as it is drawn on a terminal: a bar in the colours of the outcomes, and their counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from adsum.batches.rules import BatchState, BatchStatus, Tally

SPINNER, PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
SPINS_A_SECOND = 10
STYLES = {"recorded": "green", "skipped": "cyan", "failed": "red", "cancelled": "yellow"}
SIGNS = {
    BatchState.COMPLETED: ("✓", "+", "bold green"),
    BatchState.COMPLETED_WITH_ERRORS: ("!", "!", "bold red"),
    BatchState.CANCELLED: ("✗", "x", "bold yellow"),
}
NARROWEST = 10
INDENT = "  "


class BatchBar:
    """Three lines: the batch and its state; the bar; the counts. `now` is the clock of the elapsed time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._status: BatchStatus | None = None

    def show(self, status: BatchStatus) -> None:
        """What the next drawing shows."""
        self._status = status

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._status is not None:
            yield self._title(self._status, is_plain=options.ascii_only)
            yield self._middle(self._status, options)
            yield _counts(self._status.tally, is_plain=options.ascii_only)

    def _title(self, status: BatchStatus, *, is_plain: bool) -> Text:
        spinner = PLAIN_SPINNER if is_plain else SPINNER
        turning = spinner[int(time.monotonic() * SPINS_A_SECOND) % len(spinner)]
        sign, plain_sign, style = SIGNS.get(status.state, (turning, turning, "bold blue"))
        title = Text.assemble((plain_sign if is_plain else sign, style), " ", (status.batch_id, "bold"), "  ")
        title.no_wrap, title.overflow = True, "crop"
        return title.append(status.state.value.replace("_", " "), style)

    def _middle(self, status: BatchStatus, options: ConsoleOptions) -> Text:
        tally = status.tally
        figures = f"  {tally.progress:3} %  {tally.settled:,}/{tally.total:,}  {self._elapsed(status)}"
        width = max(NARROWEST, options.max_width - len(INDENT) - len(figures))
        bar = _bar(tally, width, is_plain=options.ascii_only)
        return Text(INDENT, no_wrap=True, overflow="crop").append_text(bar).append(figures)

    def _elapsed(self, status: BatchStatus) -> str:
        """Since the run was accepted. Clocks of two machines may differ, but nothing takes less than no time."""
        took = (status.completed_at or self._now()) - status.started_at
        minutes, seconds = divmod(max(0, int(took.total_seconds())), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _bar(tally: Tally, width: int, *, is_plain: bool) -> Text:
    """Rounded down, so that it is full only when nothing remains."""
    full, empty = ("#", "-") if is_plain else ("━", "─")
    bar, counted, drawn = Text(), 0, 0
    for outcome, style in STYLES.items():
        counted += getattr(tally, outcome)
        end = width * counted // tally.total if tally.total else width
        bar.append(full * (end - drawn), style)
        drawn = end
    return bar.append(empty * (width - drawn), "bright_black")


def _counts(tally: Tally, *, is_plain: bool) -> Text:
    """What there is none of is dim; nobody is interested in it."""
    counts = Text(INDENT, no_wrap=True, overflow="crop")
    for i, (outcome, style) in enumerate(STYLES.items()):
        number = getattr(tally, outcome)
        counts.append(("  " if is_plain else " · ") if i else "", "bright_black")
        counts.append(f"{number:,} {outcome}", style if number else "bright_black")
    return counts
