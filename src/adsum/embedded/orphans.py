"""No process outlives `up`: on Linux the kernel sees to it, elsewhere the next start reaps what is left.

A record of a process is its id and its time of birth: an id alone may since belong to somebody else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def bound_to_this_process(command: Sequence[str]) -> tuple[str, ...]:
    """The same command, to be killed when this process ends, where the system can do that.

    To be started from a thread that lives as long as the process: the kernel watches the thread.
    """
    if sys.platform != "linux":
        return tuple(command)
    script = Path(__file__).with_name("bound.py")
    return (sys.executable, "-I", "-S", str(script), str(os.getpid()), *command)


def record(folder: Path, name: str, pid: int) -> None:
    """Remembers a process that was just started, for `reap` after a crash."""
    draft = folder.parent / f".{name}.{pid}"
    draft.write_text(f"{pid} {birth(pid)}", encoding="utf-8")
    draft.replace(folder / name)  # at once: nobody reads half of it


def forget(folder: Path, name: str) -> None:
    """The process has ended, and is known to have."""
    (folder / name).unlink(missing_ok=True)


def reap(folder: Path) -> list[str]:
    """Kills every recorded process that still lives, with its group; returns their names.

    To be called only by who holds the lock of the data folder.
    """
    reaped: list[str] = []
    for path in sorted(folder.iterdir()):
        pid, _, recorded = path.read_text(encoding="utf-8").partition(" ")
        if pid.isdecimal() and recorded and birth(int(pid)) == recorded:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)  # each leads a session of its own
            reaped.append(path.name)
        path.unlink()
    return reaped


def birth(pid: int) -> str:
    """When the process started, as this system tells it; empty if there is no such process."""
    return _birth_by_proc(pid) if sys.platform == "linux" else _birth_by_ps(pid)


def _birth_by_proc(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks_since_boot = fields[0], fields[19]
    return "" if state in "ZX" else f"{_BOOT.read_text(encoding='utf-8').strip()}:{ticks_since_boot}"


def _birth_by_ps(pid: int) -> str:
    command = ("ps", "-p", str(pid), "-o", "lstart=")
    return " ".join(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())  # noqa: S603
