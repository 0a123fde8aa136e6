"""Following a batch: a live bar at a terminal, a line for each step elsewhere; both on stderr."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from adsum.domain.batches import BatchState, BatchStatus
from adsum.services.attendances import AttendancesService

# Often enough to look alive; the state is read from the database, so nothing is missed in between.
INTERVAL_S = 0.1

Show = Callable[[BatchStatus], None]


async def watch_batch(attendances: AttendancesService, batch_id: str) -> BatchStatus:
    """Shows each new state of a batch until it ends.

    Raises:
        NotFound: there is no such batch.
    """
    status = await attendances.get_batch_status(batch_id)
    with _display(status) as show:
        while status.state is BatchState.PROCESSING:
            await asyncio.sleep(INTERVAL_S)
            status = await attendances.get_batch_status(batch_id)
            show(status)
    return status


@contextmanager
def _display(first: BatchStatus) -> Generator[Show]:
    console = Console(stderr=True)
    with _bar(console, first) if console.is_terminal else _lines(console) as show:
        show(first)
        yield show


@contextmanager
def _bar(console: Console, first: BatchStatus) -> Generator[Show]:
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(first.batch_id, total=first.tally.total, state=first.state.value)

        def show(status: BatchStatus) -> None:
            done = status.tally.total - status.tally.remaining
            progress.update(task, completed=done, total=status.tally.total, state=status.state.value)

        yield show


@contextmanager
def _lines(console: Console) -> Generator[Show]:
    shown: list[tuple[BatchState, int]] = []

    def show(status: BatchStatus) -> None:
        step = (status.state, status.tally.progress)
        if step not in shown[-1:]:
            shown.append(step)
            console.print(f"{status.batch_id}: {status.tally.progress} % {status.state.value}", highlight=False)

    yield show
