"""Imports the modules of commands. Only the process that forks commands imports this module."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil

import adsum

WARM = (
    "adsum.main",
    "adsum.app",
    "adsum.wiring",
    "adsum.platform.files.workbooks",
    "adsum.processes.serve",
    "adsum.processes.worker",
    "aiosqlite",
    "asyncpg",
    "rich._emoji_codes",
    "typer._adapters",
    "typer._click.decorators",
    "uvicorn.protocols.http.httptools_impl",
    "valkey.asyncio",  # which `limits` looks for
    "tests.support.economy",
    "tests.support.forked",  # whose function the forked process runs
)
OF_COMMANDS = ("commands", "command_line")

# As without a terminal. Typer reads this once, at import.
os.environ["TYPER_USE_RICH"] = "0"
for module in WARM:
    importlib.import_module(module)
for found in pkgutil.walk_packages(adsum.__path__, "adsum."):
    if any(part in OF_COMMANDS for part in found.name.split(".")):
        importlib.import_module(found.name)
importlib.import_module("tests.support.economy").hash_cheaply()
gc.freeze()  # a garbage collection in a forked process would copy the pages of all imported modules
