"""Changes the user, then executes a command that ends with its parent: `python unprivileged.py PARENT UID GID
COMMAND…`.

Postgres refuses to run as root. The kernel resets the parent-death signal when a process changes its user, so it is set
afterwards.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, uid, gid = map(int, sys.argv[1:4])
    set_option = ctypes.CDLL(None).prctl
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    set_option(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(sys.argv[4], sys.argv[4:])
