"""All routers of the admin pages."""

from __future__ import annotations

from adsum.attendance.statuses import pages as statuses
from adsum.roster.covers import pages as covers
from adsum.roster.importing import pages as roster
from adsum.roster.people import pages as people
from adsum.roster.timetable import file_pages as timetable_files
from adsum.roster.timetable import pages as timetable
from adsum.schools import pages as start
from adsum.schools.calendar import pages as calendar

ROUTERS = (
    start.router,
    people.router,
    statuses.router,
    calendar.router,
    covers.router,
    timetable_files.router,
    timetable.router,
    roster.router,
)
