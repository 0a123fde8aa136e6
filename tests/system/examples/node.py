"""The Node programs of `examples/node` as processes."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).resolve().parents[3] / "examples" / "node"
NODE: Final = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="there is no node on PATH")
needs_packages = pytest.mark.skipif(
    NODE is None or not (FOLDER / "node_modules" / "bullmq").exists(),
    reason="examples/node has no packages: npm install --ignore-scripts --no-package-lock",
)


@asynccontextmanager
async def program(name: str, *arguments: str, **variables: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Starts a program, and kills it at the end if it runs."""
    assert NODE is not None
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("ADSUM_", "BOARD_", "NODE_"))}
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(FOLDER / name),
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
