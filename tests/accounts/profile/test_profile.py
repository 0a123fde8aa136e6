"""The own profile: name and language, and whose names come from the roster."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import select

from adsum.accounts.access import Caller, Role
from adsum.accounts.audit.tables import audit_entries
from adsum.accounts.names import NameChange, NameOfRoster, PersonName
from adsum.accounts.profile.service import Profiles
from adsum.operations.migrations import tables
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid, NotFound
from adsum.wiring import Adsum
from tests.support.api import Api, opened_api, violations
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, caller, make_bare_school, make_user


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


async def add(database: Database, **columns: object) -> Caller:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
        user_id = await make_user(connection, Role.OFFICE, school_id, email="eve@a.example", **columns)
    return caller(Role.OFFICE, school_id, user_id)


async def test_users_change_their_name_and_are_found_under_it(database: Database) -> None:
    eve, profiles = await add(database), Profiles(database)
    assert (await profiles.find(eve)).name == PersonName("", "")
    changed = await profiles.change({"name": NameChange("Eve", "Núñez")}, eve)
    assert (changed.name, changed.email, changed.school, changed.is_named_by_roster) == (
        *(PersonName("Eve", "Núñez"), "eve@a.example"),
        *("Lindenhof", False),
    )
    async with database.snapshot() as connection:
        (row,) = await connection.execute(select(tables.users).where(tables.users.c.id == eve.user_id))
        entries = (await connection.execute(select(audit_entries))).all()
    assert "eve nunez" in row.search_text
    assert [entry.action for entry in entries] == ["user_renamed"]
    assert "Eve" not in str(entries)
    await profiles.change({"name": NameChange("Eve", "Núñez")}, eve)
    async with database.snapshot() as connection:
        assert len((await connection.execute(select(audit_entries))).all()) == 1


async def test_a_name_of_the_roster_is_not_changed_and_the_language_is(database: Database) -> None:
    eve, profiles = await add(database, source_id="t-1", given_name="Eve", family_name="Early"), Profiles(database)
    with pytest.raises(NameOfRoster):
        await profiles.change({"name": NameChange("Eva", "Early"), "language": "de"}, eve)
    assert (await profiles.find(eve)).language is None
    assert (await profiles.change({"name": NameChange("Eve", "Early"), "language": "de"}, eve)).language == "de"
    assert (await profiles.change({}, eve)).language == "de"
    assert (await profiles.change({"language": None}, eve)).language is None


async def test_every_violation_of_a_profile_is_named(database: Database) -> None:
    eve = await add(database)
    for name, codes in (
        (NameChange("", ""), ["name_missing", "unknown_language"]),
        (NameChange("a\nb", "c" * 256), ["wrong_text", "too_long", "unknown_language"]),
    ):
        with pytest.raises(Invalid) as refused:
            await Profiles(database).change({"name": name, "language": "tlh"}, eve)
        assert [violation.code for violation in refused.value.violations] == codes


async def test_keys_have_no_profile_and_an_erased_user_neither(database: Database) -> None:
    eve, profiles = await add(database), Profiles(database)
    for each in (Caller(Role.KEY, frozenset(), key_id=1), Caller(Role.OFFICE, eve.permissions, eve.user_id, key_id=1)):
        with pytest.raises(Forbidden):
            await profiles.find(each)
        with pytest.raises(Forbidden):
            await profiles.change({"language": "de"}, each)
    with pytest.raises(NotFound):
        await profiles.find(caller(Role.OFFICE, 1, 99))


@pytest.fixture
async def api(adsum: Adsum, school: SchoolIds) -> AsyncGenerator[Api]:
    async with opened_api(adsum, school, (Role.OFFICE, Role.TEACHER)) as api:
        yield api


async def test_the_profile_is_read_and_changed_over_http(api: Api) -> None:
    before = (await api.get("/auth/profile")).json()
    assert (before["role"], before["givenName"], before["language"]) == ("office", "", None)
    body = {"givenName": "Ada", "familyName": "Office", "language": "de"}
    after = (await api.change("PATCH", "/auth/profile", "office", None, json=body)).json()
    assert after == before | body
    only = (await api.change("PATCH", "/auth/profile", "office", None, json={"language": None})).json()
    assert only == after | {"language": None}
    wrong = await api.change(
        "PATCH", "/auth/profile", "office", None, json={"givenName": "", "familyName": " ", "language": "xx"}
    )
    assert violations(wrong) == {("/familyName", "name_missing"), ("/language", "unknown_language")}
    for part, text in (("givenName", "Eva"), ("familyName", "Desk")):
        changed = (await api.change("PATCH", "/auth/profile", "office", None, json={part: text})).json()
        only |= {part: text}
        assert changed == only


async def test_pages_are_in_the_language_of_the_profile_before_that_of_the_browser(api: Api) -> None:
    pages = Pages(api)
    saved = await pages.send("/account", {"givenName": "Ada", "familyName": "Office", "language": "de"})
    assert saved.headers["location"] == "/account?saved=true"
    page = await pages.open("/account", language="en-GB", saved="true")
    assert "Ihr Profil ist gespeichert." in visible_text(page)
    assert "Ada Office" in visible_text(page)
    assert "Seite nicht gefunden" in visible_text(await pages.open("/year/students/999", language="en"))
    await pages.send("/language", {"language": "en", "next": "/account"})
    assert "Your profile" in visible_text(await pages.open("/account", language="de"))
    await pages.send("/account", {"givenName": "Ada", "familyName": "Office", "language": ""})
    assert "Ihr Profil" in visible_text(await pages.open("/account", language="de"))


async def test_shortcuts_of_single_keys_are_turned_off_in_one_browser(api: Api) -> None:
    pages = Pages(api)
    assert "data-no-single-keys" not in (await pages.open("/account")).text
    off = await pages.send("/account/keys", {})
    assert "adsum-no-single-keys=true" in off.headers["set-cookie"]
    headers = {"Accept": "text/html", "Cookie": f"adsum={api.tokens['office']}; adsum-no-single-keys=true"}
    page = (await api.client.get("/account", headers=headers)).text
    assert "data-no-single-keys" in page
    assert 'aria-keyshortcuts="Control+K"' in page
    on = await pages.send("/account/keys", {"single": "true"})
    assert 'adsum-no-single-keys=""' in on.headers["set-cookie"]


async def test_a_wrong_name_is_shown_beside_the_form_with_what_was_typed(api: Api) -> None:
    page = await Pages(api).send("/account", {"givenName": " ", "familyName": "", "language": "de"})
    assert page.status_code == 422
    assert "Enter a given name, a family name or both." in visible_text(page)
    assert '<option value="de" lang="de" selected>' in page.text


async def test_a_language_is_chosen_without_a_sign_in_or_with_one_that_has_ended(api: Api) -> None:
    api.tokens["ended"] = "ended"
    for role in ("ended", "office"):
        answer = await Pages(api).send("/language", {"language": "de", "next": "/account"}, role)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert (await api.get("/auth/profile")).json()["language"] == "de"
