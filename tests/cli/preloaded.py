"""What commands import when they are run. Imported by the process that forks them, and by nobody else."""

from __future__ import annotations

import importlib
import os

WARM = ("adsum.cli.main", "adsum.cli.processes", "adsum.doctor_wiring", "adsum.wiring", "adsum.services.workbooks")

# As `adsum` says it where nobody sits at a terminal; Typer asks once, when it is imported.
os.environ["TYPER_USE_RICH"] = "0"
for module in WARM:
    importlib.import_module(module)
