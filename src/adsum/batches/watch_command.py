"""Following a batch: a live bar at a terminal, a line for each step elsewhere, both on stderr; or JSON on stdout."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from typing import TextIO, cast

import typer
from rich.console import Console
from rich.live import Live

from adsum.accounts.access import system_caller
from adsum.batches.progress_bar import BatchBar
from adsum.batches.queue_notice import telling_of_a_pause
from adsum.batches.rules import BatchState, BatchStatus
from adsum.platform.clock import system_clock as now
from adsum.platform.command_line.output import show_line
from adsum.platform.command_line.session import with_adsum
from adsum.wiring import Adsum

REFRESHES_A_SECOND = 10

Show = Callable[[BatchStatus], None]


def follow(batch_id: str, *, json_lines: bool = False, knows_of_pause: bool = False) -> BatchStatus:
    """See `watch_batch`. Whoever stops looking is told that this stops nothing else."""
    try:
        return with_adsum(
            lambda adsum: watch_batch(adsum, batch_id, json_lines=json_lines, knows_of_pause=knows_of_pause)
        )
    except KeyboardInterrupt:
        typer.echo(f"adsum: the batch goes on: adsum batch watch {batch_id}", err=True)
        raise


async def watch_batch(adsum: Adsum, batch_id: str, *, json_lines: bool, knows_of_pause: bool) -> BatchStatus:
    """Shows each newer state of a batch until it ends, and returns the last one. An outage is waited for.

    Raises:
        NotFound: there is no such batch.
    """
    async with adsum.progress.watch(batch_id, system_caller()) as states:
        with _json_lines() if json_lines else _display() as show:
            status = await anext(states)
            show(status)
            if status.has_ended:
                return status
            async with nullcontext() if knows_of_pause else telling_of_a_pause(adsum.settings):
                async for status in states:
                    show(status)
    return status


def is_drawn_on_screen() -> bool:
    """Whether whoever reads stdout has seen the bar."""
    return sys.stdout.isatty() and _draws(Console(stderr=True))


@contextmanager
def _display() -> Generator[Show]:
    console = Console(stderr=True)
    with _bar(console) if _draws(console) else _lines(console) as show:
        yield show


def _draws(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def _bar(console: Console) -> Generator[Show]:
    bar = BatchBar(now)
    live = Live(bar, console=console, refresh_per_second=REFRESHES_A_SECOND, redirect_stdout=False)
    with live, _logs_above_the_bar():
        yield bar.show


@contextmanager
def _logs_above_the_bar() -> Generator[None]:
    """Lets logs, as of an outage, go where `Live` has put itself in the place of stderr; else they tear the bar."""
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


@contextmanager
def _json_lines() -> Generator[Show]:
    yield lambda status: show_line(status.to_json())
