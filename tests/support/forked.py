"""`adsum` commands as processes of their own, forked from one that has imported what they need.

A command that is started from scratch spends seconds of CPU importing, and there are hundreds of them. How `adsum`
itself starts is tested where it is started: in `test_root.py`, and wherever a server or a watcher runs.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from tempfile import TemporaryDirectory

TIMEOUT_S = 60
STREAMS = ("in", "out", "err")


def run_forked(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of `python -m adsum` with these arguments, and with these variables alone."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.joinpath("in").write_text(stdin)
        process = _forks().Process(target=_become, args=(arguments, dict(environment), folder, Path.cwd()), daemon=True)
        process.start()
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), TIMEOUT_S)
        out, err = (folder.joinpath(stream).read_text() for stream in STREAMS[1:])
        return subprocess.CompletedProcess(list(arguments), process.exitcode, out, err)


@cache
def _forks() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.support.preloaded"])
    # It looks for modules in the folder where it starts, and a test is in a folder of its own.
    with chdir(Path(__file__).parents[2]):
        ensure_running()
    return context


def _become(arguments: Sequence[str], environment: dict[str, str], folder: Path, cwd: Path) -> None:
    for number, stream in enumerate(STREAMS):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
        os.dup2(os.open(folder / stream, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["adsum", *arguments]
    importlib.import_module("adsum.main").main()
