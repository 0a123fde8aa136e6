"""Shows on stderr what a command is doing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from adsum.platform.texts import on_one_line


class _StatusLine:
    """A line on stderr during a block, if that is a terminal."""

    def __init__(self, *columns: ProgressColumn, shown: bool = True) -> None:
        console = Console(stderr=True)
        self._is_shown = shown and console.is_terminal
        self._progress = Progress(
            SpinnerColumn(),
            *columns,
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=not self._is_shown,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class Steps(_StatusLine):
    """The progress of a command with `total` steps: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, total: int) -> None:
        super().__init__(BarColumn(bar_width=24), TextColumn("{task.description}"))
        self._task = self._progress.add_task("", total=total)
        self._begun = 0

    def step(self, description: str) -> None:
        """Begins a step, which completes the previous one."""
        description = on_one_line(description)
        self._progress.update(self._task, description=description, completed=self._begun)
        self._begun += 1
        if not self._is_shown:
            print(description, file=sys.stderr, flush=True)


@contextmanager
def waiting(what: str) -> Generator[Callable[[str], None]]:
    """Shows a spinner on a terminal during the block. The yielded function appends a text to its line.

    Elsewhere nothing is shown, so that a scheduled command prints nothing on success.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(what) as status:
        yield lambda more: status.update(on_one_line(f"{what} {more}"))


class Counting(_StatusLine):
    """The progress of a command of unknown length: a counter on a terminal. `count` is the number so far."""

    def __init__(self, things: str, *, shown: bool = True) -> None:
        super().__init__(TextColumn("{task.completed:,.0f} {task.description}"), shown=shown)
        self.count = 0
        self._task = self._progress.add_task(things, total=None)

    def add(self, count: int) -> None:
        self.count += count
        self._progress.advance(self._task, count)
