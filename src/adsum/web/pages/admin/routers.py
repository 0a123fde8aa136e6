"""All routers of the admin pages."""

from __future__ import annotations

from adsum.web.pages.admin import calendar, covers, people, roster, start, statuses, timetable, timetable_files

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
