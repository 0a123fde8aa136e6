"""`adsum up` with stand-ins for the programs that it starts: `python run_up.py SERVE WORKER PREPARE`."""

from __future__ import annotations

import sys
from pathlib import Path

from adsum.platform.errors import AdsumError
from adsum.platform.settings import load_settings
from adsum.processes.programs import Commands
from adsum.processes.up import run_up

STAND_IN = (sys.executable, str(Path(__file__).parents[1] / "support" / "stand_in.py"))

if __name__ == "__main__":
    serve, worker, prepare = ((*STAND_IN, role) for role in sys.argv[1:])
    try:
        run_up(load_settings(), demo=True, open_browser=False, commands=Commands(prepare, serve, worker))
    except AdsumError as error:
        sys.exit(error.detail)
