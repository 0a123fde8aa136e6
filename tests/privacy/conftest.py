"""Fixtures for tests of students' data: a class with recorded attendance."""

from __future__ import annotations

from tests.attendance.corrections.conftest import register

__all__ = ["register"]
