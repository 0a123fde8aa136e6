"""The columns of the roster files, read from the objects of OneRoster 1.2's REST service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast

from adsum.platform.texts import UNSTORABLE

Objects: TypeAlias = Mapping[str, Any]
Wrong: TypeAlias = list[tuple[str, str]]
"""Names of fields, each with a predicate such as `is not a text`."""

NO_TEXT = "is not a text"
NO_LIST = "is not a list"
NO_REFERENCE = "is not a reference with a sourcedId"
# A clock that is wrong by more would hide all changes of the years until then.
MAX_AHEAD = timedelta(days=1)


def _text_of(value: Any) -> str | None:
    """None: the value is no text, or one with NUL or an unpaired surrogate. Numbers and truth values are texts in
    OneRoster's files.
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() if not UNSTORABLE.search(text := str(value)):
            return text
        case _:
            return None


def _id_of(value: Any) -> str | None:
    """The sourcedId of a reference; None: the value is no reference."""
    if value is None:
        return ""
    source_id = _text_of(cast("Objects", value).get("sourcedId")) if isinstance(value, dict) else None
    return source_id or None


Column: TypeAlias = Callable[[Objects, Wrong], str]


def _text(name: str) -> Column:
    return _one(name, _text_of, NO_TEXT)


def _reference(name: str) -> Column:
    return _one(name, _id_of, NO_REFERENCE)


def _one(name: str, read: Callable[[Any], str | None], predicate: str) -> Column:
    def cell(item: Objects, wrong: Wrong) -> str:
        value = read(item.get(name))
        if value is None:
            wrong.append((name, predicate))
        return value or ""

    return cell


def _texts(name: str) -> Column:
    return _many(name, _text_of, "has an item that is not a text")


def _references(name: str) -> Column:
    def read(value: Any) -> str | None:
        source_id = _id_of(value)
        return None if source_id is None or "," in source_id else source_id

    return _many(name, read, "has an item that is not a reference with a sourcedId without commas")


def _many(name: str, read: Callable[[Any], str | None], predicate: str) -> Column:
    def cell(item: Objects, wrong: Wrong) -> str:
        value = item.get(name)
        if value is None:
            return ""
        if not isinstance(value, list):
            wrong.append((name, NO_LIST))
            return ""
        values = [read(each) for each in cast("list[Any]", value)]
        if None in values:
            wrong.append((name, predicate))
        return ",".join(each for each in values if each)

    return cell


_COMMON: Mapping[str, Column] = {"sourcedId": _text("sourcedId"), "status": _text("status")}

COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "orgs": {**_COMMON, "name": _text("name"), "type": _text("type")},
    "academicsessions": {
        **_COMMON,
        "title": _text("title"),
        "type": _text("type"),
        "startDate": _text("startDate"),
        "endDate": _text("endDate"),
        "parentSourcedId": _reference("parent"),
    },
    "users": {
        **_COMMON,
        "givenName": _text("givenName"),
        "familyName": _text("familyName"),
        "grades": _texts("grades"),
        "primaryOrgSourcedId": _reference("primaryOrg"),
        "enabledUser": _text("enabledUser"),
        "agentSourcedIds": _references("agents"),
        "phone": _text("phone"),
        "sms": _text("sms"),
        "email": _text("email"),
    },
    # Of an item of the user's `roles`, which `roles_of` completes.
    "roles": {
        **_COMMON,
        "userSourcedId": _text("userSourcedId"),
        "roleType": _text("roleType"),
        "role": _text("role"),
        "orgSourcedId": _reference("org"),
        "endDate": _text("endDate"),
    },
    "classes": {
        **_COMMON,
        "title": _text("title"),
        "classCode": _text("classCode"),
        "schoolSourcedId": _reference("school"),
        "periods": _texts("periods"),
        "termSourcedIds": _references("terms"),
    },
    "enrollments": {
        **_COMMON,
        "classSourcedId": _reference("class"),
        "schoolSourcedId": _reference("school"),
        "userSourcedId": _reference("user"),
        "role": _text("role"),
        "beginDate": _text("beginDate"),
        "endDate": _text("endDate"),
    },
}
"""By the file that has it, each column and how it is read."""

FIELDS: Mapping[str, str] = {
    "parentSourcedId": "parent",
    "primaryOrgSourcedId": "primaryOrg",
    "agentSourcedIds": "agents",
    "orgSourcedId": "org",
    "schoolSourcedId": "school",
    "termSourcedIds": "terms",
    "classSourcedId": "class",
    "userSourcedId": "user",
}
"""The fields whose columns have another name."""


def roles_of(user: Objects, wrong: Wrong) -> list[Objects]:
    """The roles of a user, each with what a row of a file says about it. A deleted user has none."""
    roles = user.get("roles")
    if str(user.get("status")).lower() == "tobedeleted":
        return []
    if not isinstance(roles, list) or not all(isinstance(each, dict) for each in cast("list[Any]", roles)):
        wrong.append(("roles", "is not a list of objects"))
        return []
    of_row = {"status": "active", "sourcedId": user.get("sourcedId"), "userSourcedId": user.get("sourcedId")}
    return [{**role, **of_row} for role in cast("list[Objects]", roles)]


def modified_at(item: Any, now: datetime) -> tuple[datetime, str] | None:
    """When an item was last modified, and how the source spells it; None: it does not say so in a usable way."""
    text = cast("Objects", item).get("dateLastModified") if isinstance(item, dict) else None
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if at is None or text is None:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (at, text) if at <= now + MAX_AHEAD and "'" not in text else None
