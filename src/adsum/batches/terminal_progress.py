"""Follows a batch on the command line until it ends.

Progress is a live bar on a terminal, one line for each step elsewhere, or lines of JSON. A notice on stderr says that
the queue is paused or away, or has no worker.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TextIO, TypeAlias, cast

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from adsum.accounts.access import system_caller
from adsum.batches.progress import Progress
from adsum.batches.queue.control import QueueControl
from adsum.batches.rules import BatchState, BatchStatus, Tally
from adsum.batches.schemas import BatchStatusAnswer
from adsum.platform.cancellation import end
from adsum.platform.clock import Clock
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.output import show_line
from adsum.platform.redis.connection import QueueOutage, redis_deadline

PAUSED = "the queue is paused: nothing is processed until adsum queue resume"
AWAY = "Valkey or Redis does not answer: the batch is accepted, and queued after the outage"
WORKERLESS = "nothing processes this batch: start a worker (adsum up or adsum worker); Ctrl-C leaves the batch accepted"
POLL_INTERVAL_S = 1.0
WORKERLESS_AFTER_S = 5.0
"""A worker that restarts is back sooner."""

SPINNER, PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
SPINS_A_SECOND = 10
STYLES = {"recorded": "green", "skipped": "cyan", "failed": "red", "cancelled": "yellow"}
SIGNS = {
    BatchState.COMPLETED: ("✓", "+", "bold green"),
    BatchState.COMPLETED_WITH_ERRORS: ("!", "!", "bold red"),
    BatchState.CANCELLED: ("✗", "x", "bold yellow"),
    BatchState.UNDONE: ("↶", "~", "bold yellow"),
    BatchState.PARTLY_UNDONE: ("↶", "~", "bold yellow"),
}
MIN_WIDTH = 10
INDENT = "  "
REFRESHES_A_SECOND = 10

Show: TypeAlias = Callable[[BatchStatus], None]


async def watch_batch(
    progress: Progress,
    control: QueueControl,
    now: Clock,
    batch_id: str,
    *,
    as_json: bool,
    pause_is_reported: bool,
) -> BatchStatus:
    """Shows each newer state of a batch until it ends, and returns the last one. It waits during an outage.

    Raises:
        NotFound: there is no such batch.
    """
    async with progress.watch(batch_id, system_caller()) as states:
        with json_lines() if as_json else display(now) as show:
            status = await anext(states)
            show(status)
            if status.has_ended:
                return status
            async with reporting_idleness(control, pause_is_reported=pause_is_reported):
                async for status in states:
                    show(status)
    return status


async def report_queue_state(control: QueueControl) -> bool:
    """Reports that an accepted batch waits because the queue is paused or away. Returns whether it is paused.

    It never fails, and takes at most as long as a request waits for Redis: the batch is accepted in any case.
    """
    try:
        is_paused = await _is_paused(control)
    except QueueOutage:
        show_notice(AWAY)
        return False
    if is_paused:
        show_notice(PAUSED)
    return is_paused


@asynccontextmanager
async def reporting_idleness(control: QueueControl, *, pause_is_reported: bool) -> AsyncGenerator[None]:
    """Reports once that the queue is paused, and once that it has no worker, if that is so within the block."""
    reports = [_report_missing_workers(control), *([] if pause_is_reported else [_report_pause(control)])]
    tasks = [asyncio.create_task(report) for report in reports]
    try:
        yield
    finally:
        await end(tasks)


async def _report_pause(control: QueueControl) -> None:
    while not await _is_known_to_be_paused(control):  # noqa: ASYNC110 - Redis cannot notify us
        await asyncio.sleep(POLL_INTERVAL_S)
    show_notice(PAUSED)


async def _report_missing_workers(control: QueueControl) -> None:
    await asyncio.sleep(WORKERLESS_AFTER_S)
    while not await _lacks_workers(control):  # noqa: ASYNC110 - Redis cannot notify us
        await asyncio.sleep(WORKERLESS_AFTER_S)
    show_notice(WORKERLESS)


async def _lacks_workers(control: QueueControl) -> bool:
    try:
        async with redis_deadline():
            return not await control.workers()
    except QueueOutage:
        return False  # also if the server hides its clients


async def _is_known_to_be_paused(control: QueueControl) -> bool:
    try:
        return await _is_paused(control)
    except QueueOutage:
        return False  # the outage may be short, and progress comes from the database


async def _is_paused(control: QueueControl) -> bool:
    async with redis_deadline():
        return await control.is_paused()


def is_shown_on_terminal() -> bool:
    """Whether stdout and the bar share one terminal, so that the reader has seen the result."""
    return sys.stdout.isatty() and _can_draw(Console(stderr=True))


@contextmanager
def display(now: Clock) -> Generator[Show]:
    """Shows states on stderr: as a bar on a terminal, else as lines."""
    console = Console(stderr=True)
    with _live_bar(console, now) if _can_draw(console) else _lines(console) as show:
        yield show


@contextmanager
def json_lines() -> Generator[Show]:
    """Prints each state on stdout, as one line of JSON."""
    yield lambda status: show_line(BatchStatusAnswer.of(status).model_dump(mode="json", by_alias=True))


def _can_draw(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def _live_bar(console: Console, now: Clock) -> Generator[Show]:
    bar = BatchBar(now)
    live = Live(bar, console=console, refresh_per_second=REFRESHES_A_SECOND, redirect_stdout=False)
    with live, _logs_above_the_bar():
        yield bar.show


@contextmanager
def _logs_above_the_bar() -> Generator[None]:
    """Sends logs to the stream that `Live` has put in the place of stderr, so that they do not break the bar."""
    streams: list[tuple[logging.StreamHandler[TextIO], TextIO | None]] = []
    for each in logging.getLogger().handlers:
        if isinstance(each, logging.StreamHandler):
            handler = cast("logging.StreamHandler[TextIO]", each)
            streams.append((handler, handler.setStream(sys.stderr)))
    try:
        yield
    finally:
        for handler, stream in streams:
            if stream is not None:
                handler.setStream(stream)


@contextmanager
def _lines(console: Console) -> Generator[Show]:
    shown: list[tuple[BatchState, int]] = []

    def show(status: BatchStatus) -> None:
        step = (status.state, status.tally.progress)
        if step not in shown[-1:]:
            shown.append(step)
            console.print(f"{status.batch_id}: {status.tally.progress} % {status.state.value}", highlight=False)

    yield show


class BatchBar:
    """Three lines: the batch and its state; the bar with the elapsed time; the counts."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._status: BatchStatus | None = None

    def show(self, status: BatchStatus) -> None:
        """Sets the state that is drawn next."""
        self._status = status

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._status is not None:
            yield self._title(self._status, is_plain=options.ascii_only)
            yield self._bar_line(self._status, options)
            yield _counts(self._status.tally, is_plain=options.ascii_only)

    def _title(self, status: BatchStatus, *, is_plain: bool) -> Text:
        spinner = PLAIN_SPINNER if is_plain else SPINNER
        frame = spinner[int(time.monotonic() * SPINS_A_SECOND) % len(spinner)]
        sign, plain_sign, style = SIGNS.get(status.state, (frame, frame, "bold blue"))
        title = Text.assemble((plain_sign if is_plain else sign, style), " ", (status.batch_id, "bold"), "  ")
        title.no_wrap, title.overflow = True, "crop"
        return title.append(status.state.value.replace("_", " "), style)

    def _bar_line(self, status: BatchStatus, options: ConsoleOptions) -> Text:
        tally = status.tally
        figures = f"  {tally.progress:3} %  {tally.settled:,}/{tally.total:,}  {self._elapsed(status)}"
        width = max(MIN_WIDTH, options.max_width - len(INDENT) - len(figures))
        bar = _bar(tally, width, is_plain=options.ascii_only)
        return Text(INDENT, no_wrap=True, overflow="crop").append_text(bar).append(figures)

    def _elapsed(self, status: BatchStatus) -> str:
        """The time since the run was accepted; 0 if the clock of this machine is behind."""
        took = (status.completed_at or self._now()) - status.started_at
        minutes, seconds = divmod(max(0, int(took.total_seconds())), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _bar(tally: Tally, width: int, *, is_plain: bool) -> Text:
    """The bar, rounded down: it is full only if nothing remains."""
    full, empty = ("#", "-") if is_plain else ("━", "─")
    bar, counted, drawn = Text(), 0, 0
    for outcome, style in STYLES.items():
        counted += getattr(tally, outcome)
        end = width * counted // tally.total if tally.total else width
        bar.append(full * (end - drawn), style)
        drawn = end
    return bar.append(empty * (width - drawn), "bright_black")


def _counts(tally: Tally, *, is_plain: bool) -> Text:
    """The counts. Zeros are dim."""
    counts = Text(INDENT, no_wrap=True, overflow="crop")
    for i, (outcome, style) in enumerate(STYLES.items()):
        number = getattr(tally, outcome)
        counts.append(("  " if is_plain else " · ") if i else "", "bright_black")
        counts.append(f"{number:,} {outcome}", style if number else "bright_black")
    return counts
