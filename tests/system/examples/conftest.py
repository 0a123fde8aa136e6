"""Fixtures of the examples: installations, and Node programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.system.faults.conftest import new_installation, stack

__all__ = ["EXAMPLES", "new_installation", "stack"]

EXAMPLES: Final = Path(__file__).resolve().parents[3] / "examples" / "node"
