"""The command `adsum report`."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

from adsum.platform.database.engine import Database
from adsum.platform.services import Services
from adsum.platform.settings import load_settings
from adsum.reports.commands import report_scope
from adsum.schools.service import Schools
from tests.support.commands import Commands
from tests.support.forked import Forked
from tests.support.schools import make_bare_school

SCHOOL = ("--school", "1", "--from", "2024-12-01", "--to", "2024-12-31")


def test_each_report_is_printed(demo: Commands, demo_worker: Forked) -> None:
    mark = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-25", "--all", "--absent", "4,5")
    assert demo.run(*mark, "--watch").returncode == 0

    (day,) = json.loads(demo.output("report", "rates", "--by", "day", *SCHOOL, "--json"))
    rows = json.loads(demo.output("report", "in-a-row", "--least-days", "1", *SCHOOL, "--json"))
    record = json.loads(demo.output("report", "student", "4", *SCHOOL, "--json"))

    assert (day["key"], day["sessions"], day["absent"]) == ("2024-12-25", 30, 2)
    assert [row["studentId"] for row in rows] == [4, 5]
    assert (record["daysAbsent"], record["isChronicallyAbsent"]) == (1, False)
    assert "2024-12-25" in demo.output("report", "unexplained", *SCHOOL)
    for group, heading in (("day", "Day"), ("class", "Class id"), ("student", "Student id")):
        headings = demo.output("report", "rates", "--by", group, *SCHOOL).splitlines()[0]
        assert headings.startswith(f"{heading}  ")
        assert "  Attendance %  Days  Days absent  Attendance % of days  " in headings
    assert demo.output("report", "chronic", "--least-days", "1", *SCHOOL).startswith("Student id  Name ")
    none, left_out = demo.run("report", "chronic", *SCHOOL).stderr.splitlines()
    assert none == "adsum: no student is chronically absent"
    assert left_out == "adsum: left out: 2 who are absent as often, with fewer than 10 days: see --least-days"

    partly = ("batch", "create", "--class", "123", "--session", "456", "--date", "2024-12-26", "--present", "1")
    assert demo.run(*partly, "--watch").returncode == 0
    notices = demo.run("report", "chronic", *SCHOOL).stderr.splitlines()
    assert notices.count("adsum: 29 marks are missing in partly taken registers") == 1
    assert demo_worker.is_running


async def test_a_report_without_a_last_day_ends_today_in_the_time_zone_of_its_school(database: Database) -> None:
    """At noon in UTC it is the 26th in Kiritimati already."""
    async with database.transaction() as connection:
        here = await make_bare_school(connection)
        there = await make_bare_school(connection, time_zone="Pacific/Kiritimati")
    noon = datetime(2024, 12, 25, 12, tzinfo=UTC)
    schools = Schools(database, lambda: noon)
    services = Services([schools], clock=lambda: noon, settings=load_settings(secret_key="k" * 64))
    first = date(2024, 12, 1)

    assert (await report_scope(services, here, first, None)).last_day == date(2024, 12, 25)
    assert (await report_scope(services, there, first, None)).last_day == date(2024, 12, 26)
    assert (await report_scope(services, there, first, date(2024, 12, 2))).last_day == date(2024, 12, 2)
