"""Runs a command that the kernel kills when its parent ends: `python die_with_parent.py PARENT_PID COMMAND…` (Linux).

It is a process of its own, because a Python process with threads cannot safely set this between fork and exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Asks the kernel for the signal, then executes the command."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before the call
        sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - without a shell
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
