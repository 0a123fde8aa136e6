"""Imports the modules of commands. Only the process that forks commands imports this module."""

from __future__ import annotations

import gc
import importlib
import os

WARM = (
    "adsum.main",
    "adsum.app",
    "adsum.wiring",
    "adsum.platform.files.workbooks",
    "adsum.processes.commands",
    "adsum.processes.serve",
    "adsum.processes.worker",
    "uvicorn.protocols.http.httptools_impl",
    "tests.support.forked",  # whose function the forked process runs
)

# As without a terminal. Typer reads this once, at import.
os.environ["TYPER_USE_RICH"] = "0"
for module in WARM:
    importlib.import_module(module)
gc.freeze()  # a garbage collection in a forked process would copy the pages of all imported modules
