"""Fixtures for tests of batches: a class with recorded attendance, for undoing."""

from __future__ import annotations

from tests.attendance.corrections.conftest import register

__all__ = ["register"]
