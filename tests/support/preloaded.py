"""What commands import when they are run. Imported by the process that forks them, and by nobody else."""

from __future__ import annotations

import importlib
import os

WARM = (
    "adsum.main",
    "adsum.processes.commands",
    "adsum.operations.doctor.wiring",
    "adsum.wiring",
    "adsum.platform.workbooks",
)

# As `adsum` says it where nobody sits at a terminal; Typer asks once, when it is imported.
os.environ["TYPER_USE_RICH"] = "0"
for module in WARM:
    importlib.import_module(module)
