"""SIGTERM and SIGHUP interrupt a command as Ctrl-C does, so that it removes its temporary files and closes connections.

By default they end a process at once: copies of names and marks would stay on disk. Processes that run until a signal
replace these handlers by their own.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager

INTERRUPTING = (signal.SIGTERM, signal.SIGHUP)
# As a shell reports a process that a signal has ended. Typer has that of SIGINT, except at a prompt.
SIGNALLED = 128


@contextmanager
def interruptible() -> Generator[None]:
    """Interrupts the block on SIGTERM and SIGHUP. The exit status is then 128 and the number of the signal, unless the
    block ends without an error.

    Only the first of these signals interrupts: the block then cleans up, and a terminal that closes sends SIGHUP twice.
    A signal that is ignored, as `nohup` wants it, stays so.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        received.append(number)
        if len(received) > 1:
            return
        # asyncio lets the running task end on SIGINT, unless SIGINT is ignored, as in background jobs of a script.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    handled = [each for each in INTERRUPTING if signal.getsignal(each) is signal.SIG_DFL]
    for each in handled:
        signal.signal(each, interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as ended:
        # At a prompt, click turns an interruption into the exit status 1.
        is_error = not isinstance(ended, SystemExit) or ended.code not in {None, 0}
        if received and is_error:
            sys.exit(SIGNALLED + received[0])
        raise
    finally:
        for each in handled:
            signal.signal(each, signal.SIG_DFL)
