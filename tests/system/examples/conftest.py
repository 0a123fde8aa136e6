"""Fixtures of the examples: installations, and Node programs."""

from __future__ import annotations

from tests.system.faults.conftest import new_installation, stack

__all__ = ["new_installation", "stack"]
