"""Expensive files, created by the first of the concurrent pytest processes and used by all."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from multiprocessing import parent_process
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Returns the file or folder that `make` writes. Creates it if no other process has."""
    own = factory.getbasetemp()
    folder = own if parent_process() is None else own.parent
    path, unfinished = folder / name, folder / f"{name}.unfinished"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make(unfinished)
            unfinished.rename(path)
    return path
