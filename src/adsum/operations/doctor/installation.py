"""What is on this machine: the signing key, who may read the data folder, and how much room is left."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adsum.operations.doctor.findings import FIX, Finding, counted, error, ok, warning
from adsum.platform.errors import ConfigurationError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
LITTLE_ROOM = 1024**3
NO_ROOM = 200 * 1024**2


@dataclass(frozen=True, slots=True)
class Installation:
    """What this machine holds.

    Attributes:
        private: files and folders that nobody else may read; those that are not there are passed by.
        data: the folder whose disk has to have room, if data is kept on this machine.
        signing_key: answers None where there is none, and raises ConfigurationError where it cannot be read.
        makes_key: the command that gives this machine one.
    """

    private: Sequence[Path]
    data: Path | None
    signing_key: Callable[[], str | None]
    makes_key: str


def check_installation(installation: Installation, room: Callable[[Path], int]) -> list[Finding]:
    """`room` answers with the free bytes of a folder's disk."""
    findings = [_signing_key(installation), _permissions(installation)]
    if installation.data is not None and installation.data.exists():
        findings.append(_disk(installation.data, room(installation.data)))
    return findings


def free_bytes(folder: Path) -> int:
    """What this user may still write to the folder's disk."""
    return shutil.disk_usage(folder).free


def open_to_others(installation: Installation) -> list[Path]:
    """Of what is private, what others may read or write."""
    return [path for path in installation.private if _mode(path) & OTHERS]


def close_to_others(paths: Sequence[Path]) -> list[Path]:
    """Leaves them to their owner alone, and returns those of which it could be done: only the owner may do it."""
    closed: list[Path] = []
    for path in paths:
        with suppress(PermissionError):
            path.chmod(_mode(path) & ~OTHERS)
            closed.append(path)
    return closed


def _mode(path: Path) -> int:
    """Of what is not there, or not for this user to look at, nobody has any right."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _signing_key(installation: Installation) -> Finding:
    try:
        key = installation.signing_key()
    except ConfigurationError as wrong:
        return error("signing key", wrong.detail, "adsum config show")
    if key is None:
        return error("signing key", "there is none: the API does not start", installation.makes_key)
    return ok("signing key", "there")


def _permissions(installation: Installation) -> Finding:
    if found := open_to_others(installation):
        return error("permissions", f"other users can read {counted(len(found), 'path', list(map(str, found)))}", FIX)
    return ok("permissions", "what is private is readable by this user alone")


def _disk(folder: Path, free: int) -> Finding:
    left = f"{free / 2**30:,.1f} GiB are free for {folder}"
    if free < NO_ROOM:
        return error("disk", left, f"du -xh {folder} | sort -h | tail")
    return warning("disk", left, f"du -xh {folder} | sort -h | tail") if free < LITTLE_ROOM else ok("disk", left)
