"""Description of the machine and the versions of the software that was measured."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from adsum import __version__
from benchmarks.peers.environments import NODE, python_program
from tests.support.servers.postgres import Postgres

# A benchmark alone makes less load for each core.
BUSY = 2


def machine() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    loads, cores = os.getloadavg(), os.cpu_count() or 1
    load = ", ".join(f"{each:.1f}" for each in loads)
    if loads[0] > BUSY * cores:
        load += " (busy with other work: not representative)"
    return f"{cores} cores ({_model()}), {memory:.0f} GiB, {platform.system()} {platform.machine()}; load {load}"


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def versions(postgres: Postgres, valkey_version: str) -> str:
    texts = [
        f"Adsum {__version__}",
        f"Python {platform.python_version()}",
        _output(str(postgres.programs / "postgres"), "--version").replace("postgres (PostgreSQL)", "Postgres"),
        f"Valkey {valkey_version}",
        f"BullMQ for Python {version('bullmq')}",
        *_peers(),
    ]
    return ", ".join(texts)


def _peers() -> list[str]:
    texts: list[str] = []
    if shutil.which("node"):
        dependencies = json.loads((NODE / "package.json").read_text(encoding="utf-8"))["dependencies"]
        texts += [
            f"Node {_output('node', '--version').lstrip('v')}",
            *(f"{name} {dependencies[name]}" for name in dependencies),
        ]
    code = "from importlib.metadata import version as v; print(f\"taskiq {v('taskiq')}, Celery {v('celery')}\")"
    return [*texts, _output(python_program("python"), "-c", code)] if Path(python_program("python")).exists() else texts


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def today() -> str:
    return datetime.now(UTC).date().isoformat()
