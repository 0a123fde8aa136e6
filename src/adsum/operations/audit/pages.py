"""`/admin/audit`: the audit log, with filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.audit.rules import Action
from adsum.accounts.sign_ins.agents import agent_of
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.operations.audit.rules import AuditEntry, AuditFilters
from adsum.operations.audit.service import AuditLog
from adsum.platform.days import WrongDay, day_near
from adsum.platform.errors import Invalid
from adsum.platform.http.dependencies import provided
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest
from adsum.roster.rules import NamedIds
from adsum.roster.service import Naming

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/admin/audit"
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TypedFilters:
    """The filters as the visitor typed them."""

    action: str = ""
    first: str = ""
    last: str = ""
    user: str = ""
    student: str = ""
    key: str = ""
    school: str = ""

    def query(self, **more: str) -> str:
        """The query string with these filters."""
        ids = {"user": self.user, "student": self.student, "key": self.key, "school": self.school}
        values = {"action": self.action, "from": self.first, "to": self.last, **ids, **more}
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def invalid_fields(self) -> frozenset[str]:
        """The names of the fields that cannot be parsed."""
        is_valid = {
            "action": self.action in {"", *Action},
            "from": not self.first or _day(self.first) is not None,
            "to": not self.last or _day(self.last) is not None,
            "user": not self.user or _number(self.user) is not None,
            "student": not self.student or _number(self.student) is not None,
            "key": not self.key or _number(self.key) is not None,
            "school": not self.school or _number(self.school) is not None,
        }
        return frozenset(name for name, valid in is_valid.items() if not valid)

    def filters(self, time_zone: str) -> AuditFilters:
        """The parsed filters, with days of a time zone. Call it only if `invalid_fields` is empty."""
        last = _day(self.last)
        return AuditFilters(
            since=_begin(_day(self.first), time_zone),
            until=_begin(None if last is None else last + A_DAY, time_zone),
            action=Action(self.action) if self.action else None,
            user_id=_number(self.user),
            key_id=_number(self.key),
            student_id=_number(self.student),
            school_id=_number(self.school),
        )


async def _typed_filters(
    action: str = "",
    first: Annotated[str, Query(alias="from")] = "",
    last: Annotated[str, Query(alias="to")] = "",
    user: str = "",
    student: str = "",
    key: str = "",
    school: str = "",
) -> TypedFilters:
    typed = (action, first, last, user, student, key, school)
    return TypedFilters(*(each.strip() for each in typed))


@router.get(PATH)
async def audit(
    request: Request,
    audit_log: Annotated[AuditLog, Depends(provided(AuditLog))],
    naming: Annotated[Naming, Depends(provided(Naming))],
    visitor: Annotated[Visitor, Depends(visitor_with(Permission.AUDIT_READ))],
    typed: Annotated[TypedFilters, Depends(_typed_filters)],
    cursor: str | None = None,
) -> Response:
    """The newest entries that match."""
    zone = await audit_log.time_zone(visitor.caller)
    page, names = None, None
    if not typed.invalid_fields:
        filters = typed.filters(zone)
        try:
            page = await audit_log.page(visitor.caller, filters, PageRequest(cursor))
        except Invalid:  # a cursor of other filters: their first page is what was asked for
            page, cursor = await audit_log.page(visitor.caller, filters, PageRequest()), None
        names = await naming.names_of(_named(page.items), visitor.caller)
    return site_of(request).page(
        request,
        "admin/audit.html",
        visitor=visitor,
        context=None,
        typed=typed,
        page=page,
        names=names,
        actions=list(Action),
        agent_of=agent_of,
        time_zone=zone,
        is_continued=cursor is not None,
    )


def _named(entries: Sequence[AuditEntry]) -> NamedIds:
    people = {each for entry in entries for each in (entry.caller_user_id, entry.user_id) if each is not None}
    return NamedIds(people=people, students={entry.student_id for entry in entries if entry.student_id is not None})


def _number(text: str) -> int | None:
    return (
        int(text) if text.isascii() and text.isdecimal() and 1 <= len(text) <= 19 and 1 <= int(text) <= MAX_ID else None
    )


def _day(text: str) -> date | None:
    try:
        return day_near(text)
    except WrongDay:
        return None


def _begin(day: date | None, time_zone: str) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), ZoneInfo(time_zone))
