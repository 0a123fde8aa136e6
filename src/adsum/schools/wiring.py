"""Builds the services of schools."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.schools.calendar.service import MarksOnClosedDays, SchoolCalendar
from adsum.schools.service import Schools
from adsum.servers import OpenServers


@dataclass(frozen=True)
class SchoolServices:
    """Schools and their calendars."""

    schools: Schools
    school_calendar: SchoolCalendar


def school_services(on: OpenServers, marks_on_closed_days: MarksOnClosedDays) -> SchoolServices:
    """The services of schools on open servers."""
    return SchoolServices(Schools(on.database, on.now), SchoolCalendar(on.database, on.now, marks_on_closed_days))
