"""`/admin/roster`: the preview of a roster names who joins, leaves and moves."""

from __future__ import annotations

import re
from base64 import b64decode

from adsum.accounts.access import Role
from adsum.schools.tables import schools
from adsum.wiring import Adsum
from tests.roster.conftest import Importing
from tests.roster.files import a_class, a_school, enrolment, in_zip
from tests.support.api import opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import make_school


async def test_a_preview_names_students_and_offers_all_names_as_a_file(adsum: Adsum) -> None:
    roster = a_school(students=25)
    roster.tables["classes"] += [a_class(f"class-{number}") for number in range(2, 8)]
    roster.tables["enrollments"] += [enrolment(f"class-{number}", "student-1") for number in range(2, 8)]
    roster.row("users", "student-1").update(givenName="<b>Zoë</b>", familyName="Able")
    zipped = in_zip(roster.files()).getvalue()
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
    async with opened_api(adsum, school, []) as api:
        await api.sign_in(Role.ADMIN, None)
        pages = Pages(api)
        preview = await pages.send("/admin/roster", {}, "admin", zipped)
        digest = re.findall(r'name="digest" value="(\w+)"', preview.text)[0]
        imported = await pages.send("/admin/roster", {"digest": digest}, "admin", zipped)
        roster.drop("enrollments", "class-7-student-1")
        again = visible_text(await pages.send("/admin/roster", {}, "admin", in_zip(roster.files()).getvalue()))

    text = visible_text(preview)
    assert "25 students added to classes" in text
    assert "<b>Zoë</b> Able student-1 Title of class-1 Sep 2, 2024" in text
    assert "and 3 more" in text
    assert "and 5 more" in text
    assert "student-9" not in text
    content = b64decode(re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', preview.text)[0]).decode()
    lines = content.splitlines()
    assert lines[0] == "\ufeffchange,sourcedId,givenName,familyName,joinedClasses,leftClasses"
    assert lines[1].startswith('joins,student-1,<b>Zoë</b>,Able,"Title of class-1 2024-09-02, ')
    assert len(lines) == 26
    assert "join" not in visible_text(imported)
    assert "1 student moved between classes" in again
    assert "Download the names (CSV)" in again


async def test_the_time_zone_of_new_schools_is_a_field_of_the_page(adsum: Adsum, importing: Importing) -> None:
    zipped = in_zip(a_school().files()).getvalue()
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
    async with opened_api(adsum, school, []) as api:
        await api.sign_in(Role.ADMIN, None)
        pages = Pages(api)
        unknown = await pages.send("/admin/roster", {"timezone": "Berlin"}, "admin", zipped)
        assumed = visible_text(await pages.send("/admin/roster", {}, "admin", zipped))
        preview = await pages.send("/admin/roster", {"timezone": " Europe/Berlin "}, "admin", zipped)
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', preview.text))
        await pages.send("/admin/roster", fields, "admin", zipped)

    assert "&#39;Berlin&#39; is not an IANA time zone: did you mean Europe/Berlin?" in unknown.text
    assert "is assumed to be UTC" in assumed
    assert "assumed" not in visible_text(preview)
    assert fields["timezone"] == "Europe/Berlin"
    zones = {row["source_id"]: row["time_zone"] for row in await importing.rows(schools)}
    assert zones == {None: "UTC", "school-1": "Europe/Berlin"}


async def test_errors_of_a_roster_are_shown_in_the_language_of_the_visitor(adsum: Adsum) -> None:
    roster = a_school()
    roster.row("users", "student-1").update(status="gone")
    roster.row("users", "student-2").update(role="studnet")
    wrong_row = in_zip(roster.files()).getvalue()
    files = a_school().files()
    files["orgs.csv"] = files["orgs.csv"].replace(b"name", b"title")
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
    async with opened_api(adsum, school, []) as api:
        await api.sign_in(Role.ADMIN, None)
        shown = [
            visible_text(await Pages(api).send("/admin/roster", {}, "admin", content, Accept_Language="de"))
            for content in (wrong_row, in_zip(files).getvalue())
        ]

    assert "Ein Status ist active, tobedeleted oder leer." in shown[0]
    assert "Diese Rolle gibt es nicht. Ist student gemeint?" in shown[0]
    assert "Das lässt sich nicht als Klassenlisten lesen. 1 Fehler" in shown[1]
    assert "Eine Pflichtspalte fehlt." in shown[1]
