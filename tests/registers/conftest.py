"""Fixtures for tests of registers: a school of three students behind the HTTP API, and its reports."""

from __future__ import annotations

from tests.absences.conftest import office
from tests.reports.conftest import reported, reported_on_postgres
from tests.schools.conftest import api, calendar

__all__ = ["api", "calendar", "office", "reported", "reported_on_postgres"]
