"""Missing, partly taken and taken mean the same in the API, on the pages and in reports."""

from __future__ import annotations

from typing import Any

from adsum.platform.clock import system_clock
from tests.absences.conftest import Office
from tests.support.pages import Pages, done_of, visible_text
from tests.support.schools import newest_school_day


async def shown(office: Office) -> dict[str, Any]:
    """The state that each place shows of the register of the class."""
    school, day, pages = office.school, newest_school_day().isoformat(), Pages(office.api)
    query: dict[str, Any] = {"schoolId": school.school_id, "date": day}
    (register,) = (await office.api.get("/registers", **query)).json()["items"]
    period: dict[str, Any] = {"schoolId": school.school_id, "by": "school", "from": day, "to": day}
    rates = (await office.api.get("/reports/rates", **period)).json()["items"]
    overview = visible_text(await pages.open(f"/overview?school={school.school_id}&date={day}"))
    today = visible_text(await pages.open(f"/today?date={day}", "teacher"))
    form = {"school": school.school_id, "date": day, "session": school.session_id}
    return {
        "state": register["state"],
        "listed as missing": len((await office.api.get("/registers/missing", **query)).json()["items"]),
        "in the figure": overview.split(" due registers taken")[0].split()[-3:],
        "today": next(text for text in ("Not taken", "1 of 3", "Taken") if text in today),
        "unmarked in reports": sum(rate["unmarked"] for rate in rates),
        "reminder": done_of(await pages.send("/overview/remind", form)),
    }


async def test_each_place_has_the_same_state_of_a_register(office: Office) -> None:
    day = newest_school_day().isoformat()
    missing = {
        "state": "missing",
        "listed as missing": 1,
        "in the figure": ["0", "of", "1"],
        "today": "Not taken",
        "unmarked in reports": 0,
        "reminder": "reminded",
    }
    assert await shown(office) == missing
    first = office.school.student_ids[:1]
    await office.take(learningDate=day, isSelectedAll=False, selectedStudentIds=first, unselectedStudentIds=[])
    partly = {"state": "partial", "today": "1 of 3", "unmarked in reports": 2, "reminder": "recent"}
    assert await shown(office) == missing | partly
    await office.take(learningDate=day, isSelectedAll=True, unselectedStudentIds=[])
    assert await shown(office) == {
        "state": "taken",
        "listed as missing": 0,
        "in the figure": ["1", "of", "1"],
        "today": "Taken",
        "unmarked in reports": 0,
        "reminder": "taken",
    }


async def test_a_name_is_written_alike_in_the_register_and_in_the_on_site_list(office: Office) -> None:
    """One isolated text: parts of a name that is written from right to left would be shown in another order."""
    school, day, pages = office.school, system_clock().date().isoformat(), Pages(office.api)
    await office.take(learningDate=day)
    register = await pages.open(f"/take/{school.class_id}/{school.session_id}/{day}", "teacher")
    on_site = await pages.open(f"/house?school={school.school_id}")
    for page in (register, on_site):
        assert "<bdi>Family 0001, Given 1</bdi>" in page.text
