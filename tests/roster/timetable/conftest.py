"""Fixtures for tests of timetables: a school of three students behind the HTTP API."""

from __future__ import annotations

from tests.schools.conftest import api, calendar

__all__ = ["api", "calendar"]
