"""Fixtures for tests of batches: a class with recorded attendance, to undo."""

from __future__ import annotations

from tests.attendance.corrections.conftest import register

__all__ = ["register"]
