"""Fixtures for tests of covers: an office that enters and reads what concerns one class."""

from __future__ import annotations

from tests.absences.conftest import office

__all__ = ["office"]
