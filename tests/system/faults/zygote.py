"""A process that has imported Adsum, and forks a real `adsum` command whenever it is told: `python zygote.py`.

Killing workers by the hundred takes as many new ones; importing for each would be what a test spends its time with. It
reads one JSON object a line, `{"arguments", "environment", "log"}`, and answers with the process id. Its end is theirs.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from typing import NoReturn

from adsum.embedded.die_with_parent import PR_SET_PDEATHSIG

# What the commands import when they are run.
WARM = (
    "adsum.processes.commands",
    "adsum.processes.serve",
    "adsum.processes.worker",
    "adsum.app",
    "uvicorn.protocols.http.httptools_impl",
)


def main() -> None:
    """Forks until its input ends."""
    for module in WARM:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps
    os.write(1, b"ready\n")
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(order["arguments"], order["environment"], order["log"])
        os.write(1, f"{pid}\n".encode())


def become(arguments: list[str], environment: dict[str, str], log: str) -> NoReturn:
    """The forked process: an `adsum` of its own session, that ends when the zygote does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(environment)
    sys.argv = ["adsum", *arguments]
    status = 1
    try:
        importlib.import_module("adsum.main").main()
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 0
    except BaseException:  # noqa: BLE001 - the log is the only place left to say it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
