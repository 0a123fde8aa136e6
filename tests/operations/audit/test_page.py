"""The page of the audit log: sentences with names, filters by name, what changed, the seal, and the export."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from markupsafe import Markup
from pydantic.alias_generators import to_camel

import adsum
from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.verification import Verifier
from adsum.events.webhooks.access import details_of
from adsum.events.webhooks.rules import Disabled, Webhook
from adsum.operations.audit.details import typed_value
from adsum.operations.audit.page_data import MAX_FOUND
from adsum.operations.audit.rules import ACTIONS
from adsum.operations.audit.typed_filters import Period, TypedAuditFilters, parties_of
from adsum.platform.database.new_events import EventType
from adsum.platform.keys import KeyRing
from adsum.platform.origin import ORIGIN, Origin
from adsum.privacy.retention.rules import Periods
from adsum.schools.rules import School
from adsum.wiring import Adsum
from tests.operations.audit.conftest import ADMIN
from tests.support.api import Api
from tests.support.schools import make_user

SOURCE = Path(adsum.__file__).parent
PARTS = SOURCE / "operations/audit/templates/admin/audit_parts.html"
EVE = "2026-12-24"
KEY_TERMS = {"schoolId", "ownerId", "expiresAt", "networks"}
OF_SCHOOL = {to_camel(each.name) for each in fields(School)} - {"id", "sourceId", "name", "recordsFrom"}


async def page(api: Api, query: str = "", *, path: str = "", role: str = "admin", **headers: str) -> httpx2.Response:
    cookie = f"adsum={api.tokens[role]}"
    return await api.client.get(
        f"/admin/audit{path}{query}", headers={"Accept": "text/html", "Cookie": cookie} | headers
    )


async def sent(api: Api, path: str = "", *, role: str = "admin", **fields: str) -> httpx2.Response:
    """Sends the form of the filters."""
    headers = {"Accept": "text/html", "Cookie": f"adsum={api.tokens[role]}", "Sec-Fetch-Site": "same-origin"}
    return await api.client.post(f"/admin/audit{path}", data=fields, headers=headers)


async def searched(api: Api, **fields: str) -> httpx2.Response:
    """The page after a search that finds somebody. Its address has no name."""
    answer = await sent(api, **fields)
    assert answer.status_code == 303, answer.text
    address = answer.headers["location"]
    assert not {*fields.values()} & {*re.split(r"[=&?]", address)}
    return await page(api, address.removeprefix("/admin/audit"))


def sentences(answer: httpx2.Response) -> list[str]:
    """The sentences of the page, without links."""
    assert answer.is_success, answer.text
    found = re.findall(r'<p class="sentence">(.*?)</p>', answer.text, re.DOTALL)
    return [" ".join(Markup(each).striptags().split()) for each in found]


async def recorded(adsum: Adsum, *entries: tuple[Caller | None, Action, dict[str, Any]]) -> None:
    async with adsum.database.transaction() as connection:
        for caller, action, more in entries:
            await record(connection, caller, action, **more)


async def person(adsum: Adsum, given: str, family: str, school_id: int | None, role: Role = Role.TEACHER) -> int:
    async with adsum.database.transaction() as connection:
        names = {"given_name": given, "family_name": family}
        return await make_user(connection, role, school_id, email=f"{given}@school.example".lower(), **names)


def changed(name: str, before: str, after: str) -> dict[str, Any]:
    return {"before": {name: before}, "after": {name: after}}


def caller_of(user_id: int) -> Caller:
    return Caller(Role.TEACHER, frozenset(), user_id=user_id)


async def record_nine_actions(adsum: Adsum, admin: Api) -> None:
    """Eight of Ada Todd, or about her, and a backup."""
    school, student = admin.school.school_id, admin.school.student_ids[0]
    todd = await person(adsum, "Ada", "Todd", school)
    key = await adsum.api_keys.create("Lunch <system>", [Permission.ROSTER_READ], [school])
    by_todd = caller_of(todd)
    ORIGIN.set(Origin(address="10.0.0.3", agent="Mozilla/5.0 (X11; Linux) Firefox/140.0"))
    await recorded(
        adsum,
        (by_todd, Action.SIGNED_IN, {"user_id": todd, "after": {"kind": "page", "has_second_factor": True}}),
        (by_todd, Action.SIGNED_IN, {"user_id": todd, "after": {"kind": "api"}}),
        (None, Action.SIGN_IN_FAILED, {"user_id": todd, "after": {"attempts": 3, "code": "unauthenticated"}}),
        (None, Action.SIGN_IN_FAILED, {"user_id": todd, "after": {"attempts": 1, "code": "second_factor_needed"}}),
        (by_todd, Action.STUDENT_READ, {"student_id": student, "school_id": school}),
        (by_todd, Action.KEY_REVOKED, {"key_id": key.key.id, "school_id": school}),
        (
            by_todd,
            Action.USER_ROLE_CHANGED,
            {"user_id": todd, "before": {"role": "viewer"}, "after": {"role": "office"}},
        ),
        (
            by_todd,
            Action.CALENDAR_CHANGED,
            {"school_id": school, "after": {"closed_from": "2026-12-24", "closed_to": "2026-12-24"}},
        ),
    )
    ORIGIN.set(Origin(os_user="root"))
    await recorded(adsum, (system_caller(), Action.BACKUP_MADE, {"after": {"bytes": 12_000}}))


async def test_an_entry_is_one_sentence_with_the_names_that_the_visitor_may_see(adsum: Adsum, admin: Api) -> None:
    await record_nine_actions(adsum, admin)

    answer = await page(admin)
    said = sentences(answer)[:9]
    assert said[0] == "root on the command line made a backup"
    assert "Dec 24, 2026" in said[1]
    assert said[2] == "Ada Todd changed the role of Ada Todd from Viewer to Office"
    assert said[3] == "Ada Todd revoked the API key Lunch <system>"
    assert re.fullmatch("Ada Todd read the whole record of .+", said[4])
    assert said[5:] == [
        "The right password of Ada Todd was given, but no second factor followed",
        "3 sign-ins as Ada Todd failed: wrong email or password",
        "Ada Todd signed in through the API from 10.0.0.3",
        "Ada Todd signed in on the page from 10.0.0.3",
    ]
    assert "with a second factor" in answer.text
    assert "Firefox · Linux" in answer.text
    german = sentences(await page(admin, **{"Accept-Language": "de"}))
    assert german[8] == "Ada Todd hat sich von 10.0.0.3 aus auf der Seite angemeldet"
    assert german[6] == "3 Anmeldungen als Ada Todd schlugen fehl: falsche E-Mail-Adresse oder falsches Passwort"


async def test_the_filters_take_names(adsum: Adsum, admin: Api) -> None:
    school, student = admin.school.school_id, admin.school.student_ids[0]
    ada, bob = await person(adsum, "Ada", "Todd", school), await person(adsum, "Bob", "Toddler", school)
    await adsum.api_keys.create("Todd imports", [Permission.ROSTER_READ], [school])
    await recorded(
        adsum,
        (caller_of(ada), Action.PASSWORD_CHANGED, {"user_id": ada}),
        (caller_of(bob), Action.STUDENT_EXPORTED, {"student_id": student}),
        (system_caller(), Action.PASSWORD_RESET, {"user_id": ada}),
    )

    both = await searched(admin, who="todd")
    assert sentences(both)[0].startswith("Bob Toddler exported all data of")
    assert sentences(both)[1:] == ["Ada Todd changed their password"]
    for name in ("Ada Todd", "Bob Toddler", "Todd imports"):
        assert f"<bdi>{name}</bdi></a>" in both.text
    assert f'by=person-{ada}"' in both.text
    assert "3 names" in both.text
    one = await page(admin, f"?by=person-{ada}")
    assert sentences(one) == ["Ada Todd changed their password"]
    assert '<input type="hidden" name="by"' in one.text
    assert sentences(await searched(admin, whom="ada")) == [
        "Adsum gave Ada Todd a new first password",
        "Ada Todd changed their password",
    ]
    assert sentences(await page(admin, "?by=system&action=password_reset")) == [
        "Adsum gave Ada Todd a new first password"
    ]
    assert len(sentences(await page(admin, f"?about=student-{student}"))) == 2


async def test_a_search_that_finds_nobody_says_so(admin: Api) -> None:
    nobody = await sent(admin, who="xyz", whom="abc")
    assert "Nobody, and no API key, has “xyz” in the name." in nobody.text
    assert "No student and no person has “abc” in the name." in nobody.text
    assert sentences(nobody) == []


async def test_a_search_that_finds_too_many_asks_for_more_of_the_name(adsum: Adsum, admin: Api) -> None:
    for number in range(MAX_FOUND + 1):
        await person(adsum, f"Kim{number}", "Park", admin.school.school_id)
    answer = await sent(admin, who="park")
    assert "“park” matches too many names." in answer.text
    assert sentences(answer) == []
    assert "“park” matches too many names." in (await sent(admin, "/file", who="park")).text


async def test_a_visitor_of_one_school_finds_and_sees_the_names_of_that_school_only(adsum: Adsum, admin: Api) -> None:
    school = admin.school.school_id
    async with adsum.database.transaction() as connection:
        await make_user(connection, Role.ADMIN, school, email="principal@school.example")
    admin.tokens["principal"] = (await adsum.tokens.create("principal@school.example")).text
    district = await adsum.accounts.own_user(await adsum.tokens.caller_of(admin.tokens["admin"]))
    await recorded(adsum, (caller_of(district.id), Action.SCHOOL_CHANGED, {"school_id": school, "after": {}}))

    answer = await page(admin, "?action=school_changed", role="principal")
    assert sentences(answer)[0].startswith(f"Person no. {district.id} changed settings of")
    assert ADMIN not in answer.text
    assert "Nobody, and no API key" in (await sent(admin, role="principal", who="admin@school")).text
    assert ADMIN in (await page(admin, "?action=school_changed")).text


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("?period=days&from=yesterday&to=2020-01-32", "A day, such as 2024-12-25"),
        ("?action=x", "This address has a filter that does not exist."),
        ("?by=person-0", "This address has a filter that does not exist."),
        ("?about=teacher-1", "This address has a filter that does not exist."),
        ("?by=key-99999999999999999999", "This address has a filter that does not exist."),
        ("?school=one", "This address has a filter that does not exist."),
        ("?period=soon", "This address has a filter that does not exist."),
    ],
)
async def test_an_invalid_filter_is_named(admin: Api, query: str, problem: str) -> None:
    answer = await page(admin, query)
    assert answer.is_success, answer.text
    assert problem in answer.text
    assert sentences(answer) == []


async def test_an_area_a_period_and_a_school_narrow_the_list(adsum: Adsum, admin: Api) -> None:
    school = admin.school.school_id
    assert len(sentences(await page(admin, "?action=schools"))) == 4
    assert len(sentences(await page(admin, f"?action=schools&school={school}"))) == 3
    assert len(sentences(await page(admin, "?action=student_read&period=today"))) == 1
    empty = await page(admin, "?period=days&from=2020-01-01&to=2020-01-02")
    assert "No entry matches these filters." in empty.text
    assert "Choose a longer period" in empty.text
    assert (await page(admin, "?cursor=x")).is_success


def test_periods_end_today_in_the_time_zone_of_the_school() -> None:
    now = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)  # the 30th in Berlin
    berlin = ZoneInfo("Europe/Berlin")
    spans = {period: TypedAuditFilters(period=period).span("Europe/Berlin", now) for period in Period}
    assert spans[Period.ALL] == (None, None)
    assert spans[Period.TODAY] == (datetime(2026, 11, 30, tzinfo=berlin), None)
    assert spans[Period.WEEK] == (datetime(2026, 11, 24, tzinfo=berlin), None)
    chosen = TypedAuditFilters(period="days", first="2026-11-01", last="2026-11-02").span("Europe/Berlin", now)
    assert chosen == (datetime(2026, 11, 1, tzinfo=berlin), datetime(2026, 11, 3, tzinfo=berlin))
    assert parties_of("person") is None


async def test_the_page_says_up_to_when_the_log_is_sealed(adsum: Adsum, admin: Api) -> None:
    assert "Nothing is sealed yet" in (await page(admin)).text
    for chore in adsum.chores:
        await chore()
    sealed = await page(admin)
    assert "Sealed until" in sealed.text
    assert "No. 1" in sealed.text
    await recorded(adsum, (system_caller(), Action.BACKUP_MADE, {}))
    assert "1 newer entry is sealed within seconds." in (await page(admin)).text
    state = await adsum.verifier.seal_state()
    assert (state.is_intact, state.unsealed, state.is_late) == (True, 1, False)
    later = Verifier(adsum.database, ChainKeys(KeyRing.of("x" * 64)), lambda: adsum.now() + timedelta(hours=1))
    state = await later.seal_state()
    assert (state.is_intact, state.is_late) == (True, True)
    assert not (await Verifier(adsum.database, ChainKeys(KeyRing.of("y" * 40)), adsum.now).seal_state()).is_intact


async def test_details_say_in_words_what_changed(adsum: Adsum, admin: Api) -> None:
    school = admin.school.school_id
    ada = await person(adsum, "Ada", "Todd", school)
    before = {"owner_id": None, "networks": ["10.0.0.0/8"], "expires_at": "2026-12-01T10:00:00+00:00"}
    after = {"owner_id": ada, "networks": None, "schools": [school], "office_manages_logins": True, "days": 1200}
    await recorded(adsum, (system_caller(), Action.KEY_CHANGED, {"key_id": 9, "before": before, "after": after}))
    shown = (await page(admin, "?action=key_changed")).text
    for words in ("Before", "After", "expires", "Dec 1, 2026", "<code>10.0.0.0/8</code>", "1,200", "yes", "Ada Todd"):
        assert words in shown
    assert "API key 9" in shown


async def test_details_of_a_webhook_are_in_words_in_both_languages(adsum: Adsum, admin: Api) -> None:
    key = await adsum.api_keys.create("Platform", [Permission.WEBHOOK_MANAGE])
    before = Webhook(
        id=4,
        url="https://hooks.example/secret",
        event_types=(),
        school_id=None,
        in_order=True,
        created_at=adsum.now(),
        created_role=None,
        created_user_id=None,
        created_key_id=None,
        ends_with_key_id=key.key.id,
        key_ends_at=None,
        disabled=None,
        disabled_at=None,
        newest_id=0,
        position=0,
        attempts=0,
        failing_since=None,
        next_attempt_at=None,
    )
    types = (EventType.REGISTER_TAKEN.value,)
    after = replace(before, event_types=types, in_order=False, disabled=Disabled.BY_PERSON, ends_with_key_id=None)
    changes = {"before": details_of(before), "after": details_of(after)}
    await recorded(adsum, (system_caller(), Action.WEBHOOK_CHANGED, changes))

    query, digest = "?action=webhook_changed", details_of(before)["url_sha256"]
    assert details(await page(admin, query)) == {
        "webhook": "4 4",
        "host": "hooks.example hooks.example",
        "SHA-256 of the URL": f"{digest} {digest}",
        "types of events": "all types A register was taken",
        "keeps the order": "yes no",
        "disabled": "no by a person",
        "ends with": "Platform none",
    }
    assert details(await page(admin, query, **{"Accept-Language": "de"})) == {
        "Webhook": "4 4",
        "Host": "hooks.example hooks.example",
        "SHA-256 der URL": f"{digest} {digest}",
        "Arten von Ereignissen": "alle Arten Eine Anwesenheitsliste wurde geführt",
        "behält die Reihenfolge bei": "ja nein",
        "deaktiviert": "nein von Hand",
        "endet mit": "Platform nicht vorhanden",
    }


def details(answer: httpx2.Response) -> dict[str, str]:
    """The values before and after, by their name, of all entries of the page."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', answer.text, re.DOTALL)
    return {name: " ".join(Markup(values.replace("</td>", " ")).striptags().split()) for name, values in rows}


async def test_every_action_has_a_sentence_and_every_detail_a_word(admin: Api) -> None:
    assert sorted(action for actions in ACTIONS.values() for action in actions) == sorted(Action)
    async with admin.adsum.database.transaction() as connection:
        for action in Action:
            await record(connection, system_caller(), action)
    first = await page(admin)
    assert [said for said in sentences(first) if re.search("_|<|%", said)] == []
    labels = PARTS.read_text(encoding="utf-8")
    assert {"holdId", "firstMonth", "earlierSecretsEndAt", "issuer", "since"} <= detail_names()
    assert [name for name in detail_names() if f'"{name}": _(' not in labels] == []


def detail_names() -> set[str]:
    """The keys that the code writes in literals of `before` and `after`, and those of settings that it writes whole."""
    texts = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")]
    literals = [
        literal
        for text in texts
        if "audit.repository import" in text
        for literal in re.findall(
            r"\b(?:before|after|ended)(?:: [\w\[\], ]+)? ?= ?(\{[^}]*\}(?: \| \(?\{[^}]*\})?)", text
        )
    ]
    written = {name for literal in literals for name in re.findall(r'"([a-zA-Z0-9]+)":', literal)}
    return written | {to_camel(each.name) for each in fields(Periods)} | KEY_TERMS | OF_SCHOOL


def test_the_kinds_of_details() -> None:
    kinds = [
        ("none", None),
        ("flag", True),
        ("number", 3),
        ("list", ["a"]),
        ("map", {"a": "b"}),
        ("code", "page"),
        ("code", "2026-12"),
    ]
    assert [typed_value("x", value) for _, value in kinds] == kinds
    assert typed_value("ownerId", 3) == ("person", 3)
    assert typed_value("schoolId", 3) == ("school", 3)
    assert typed_value("signInId", 3) == ("code", 3)
    assert typed_value("x", "2026-12-24") == ("day", date(2026, 12, 24))
    assert typed_value("x", "2026-12-24T10:00:00Z") == ("moment", datetime(2026, 12, 24, 10, tzinfo=UTC))


async def test_the_export_has_the_entries_of_the_filters_and_is_one_itself(admin: Api) -> None:
    answer = await sent(admin, "/file", action="schools", format="csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert answer.text.count("school_changed") == 4
    assert sentences(await page(admin, "?action=log_exported"))[0].endswith("exported the audit log")
    book = await sent(admin, "/file", action="schools", format="xlsx")
    assert book.content[:2] == b"PK"


async def test_the_page_needs_its_permission(admin: Api) -> None:
    for role in ("office", "teacher"):
        assert (await page(admin, role=role)).status_code == 403
        assert (await sent(admin, role=role, who="todd")).status_code == 403
        assert (await sent(admin, "/file", role=role)).status_code == 403


def test_a_query_keeps_the_filters_and_changes_one_and_has_no_name() -> None:
    typed = TypedAuditFilters(who="Todd", action="signed_in", first="2026-01-01")
    assert typed.query() == "action=signed_in"
    assert typed.query(by="person-3") == "action=signed_in&by=person-3"
    assert typed.query(cursor="c") == "action=signed_in&cursor=c"


@pytest.mark.parametrize("codes", ["person-1,", ",", "person-1,teacher-2", "person-1,system"])
def test_a_list_with_a_wrong_code_is_invalid(codes: str) -> None:
    assert TypedAuditFilters(by=codes, about=codes).invalid_fields == {"by", "about"}


async def test_a_search_with_an_invalid_filter_shows_the_message_at_its_field(admin: Api) -> None:
    answer = await sent(admin, who="todd", period="days", **{"from": "yesterday"})
    assert (answer.status_code, "A day, such as 2024-12-25" in answer.text) == (200, True)
    assert (await sent(admin)).headers["location"] == "/admin/audit"


async def test_a_caller_without_the_right_to_names_finds_none(adsum: Adsum, admin: Api) -> None:
    await adsum.api_keys.create("Todd imports", [Permission.ROSTER_READ], [admin.school.school_id])
    reader = Caller(Role.KEY, frozenset({Permission.AUDIT_READ}), key_id=1)
    view = await adsum.audit_page_data.view(TypedAuditFilters(who="todd", whom="given"), None, reader, adsum.now())
    assert (view.days, view.schools, view.names.keys, view.names.students) == ([], [], {}, {})
    assert [found and found.parties for found in (view.who, view.whom)] == [[], []]
