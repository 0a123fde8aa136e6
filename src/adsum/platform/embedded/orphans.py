"""Ensures that no process outlives `up`: on Linux the kernel kills them, elsewhere the next start does.

The record of a process holds its id and its start time, because another process may reuse the id.
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


def die_with_this_process(command: Sequence[str]) -> tuple[str, ...]:
    """The command that runs `command` and is killed when this process ends, on systems that support it.

    Start it from a thread that lives as long as the process, because the kernel watches the thread.
    """
    if sys.platform != "linux":
        return tuple(command)
    script = Path(__file__).with_name("die_with_parent.py")
    return (sys.executable, "-I", "-S", str(script), str(os.getpid()), *command)


def record_process(folder: Path, name: str, pid: int) -> None:
    """Records a process that was just started, for `reap` after a crash."""
    draft = folder.parent / f".{name}.{pid}"
    draft.write_text(f"{pid} {start_time(pid)}", encoding="utf-8")
    draft.replace(folder / name)  # atomic: no reader sees half a record


def remove_record(folder: Path, name: str) -> None:
    """Removes the record of a process that has ended."""
    (folder / name).unlink(missing_ok=True)


def reap(folder: Path) -> list[str]:
    """Kills every recorded process that still runs, with its group. Returns their names.

    The caller holds the lock of the data folder.
    """
    reaped: list[str] = []
    for path in sorted(folder.iterdir()):
        pid, _, recorded = path.read_text(encoding="utf-8").partition(" ")
        if pid.isdecimal() and recorded and start_time(int(pid)) == recorded:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)  # each process leads its own session
            reaped.append(path.name)
        path.unlink()
    return reaped


def start_time(pid: int) -> str:
    """The start time of a process in the system's own form; empty if there is no such process."""
    return _start_time_by_proc(pid) if sys.platform == "linux" else _start_time_by_ps(pid)


def _start_time_by_proc(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks_since_boot = fields[0], fields[19]
    return "" if state in "ZX" else f"{_BOOT.read_text(encoding='utf-8').strip()}:{ticks_since_boot}"


def _start_time_by_ps(pid: int) -> str:
    command = ("ps", "-p", str(pid), "-o", "lstart=")
    return " ".join(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())  # noqa: S603
