"""Shows on stderr how far an import has come: a bar on a terminal once it takes over a second, nothing elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

SHOWN_AFTER_S = 1.0


class ImportProgress:
    """A context whose `show` an import is given. Elsewhere than on a terminal it names each file once."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._bar.add_task("", total=None)
        self._begun = time.monotonic()
        self._is_shown = False
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._is_shown:
            self._bar.stop()

    def show(self, name: str, done: int, total: int) -> None:
        """`done` of `total` of a file or table, in whatever unit."""
        if time.monotonic() - self._begun < SHOWN_AFTER_S:
            return
        if not self._console.is_terminal:
            self._say(name)
            return
        if not self._is_shown:
            self._bar.start()
            self._is_shown = True
        self._bar.update(self._task, description=f"{name:<16}", completed=done, total=total)

    def _say(self, name: str) -> None:
        if name != self._said:
            self._said = name
            self._console.print(name)
