"""`/admin/audit`: the audit log in words, with filters by name, and its export."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from adsum.accounts.access import Permission
from adsum.accounts.audit.rules import Action
from adsum.accounts.sign_ins.agents import agent_of
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.operations.audit.details import typed_value
from adsum.operations.audit.page_data import AuditPageData
from adsum.operations.audit.rules import ACTIONS
from adsum.operations.audit.schemas import COLUMNS, rows_of_cells
from adsum.operations.audit.service import AuditLog
from adsum.operations.audit.typed_filters import LENGTHS, SYSTEM, Period, TypedAuditFilters
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.list_files import FileKind, WantedFile, file_answer
from adsum.platform.http.queries import Words
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/admin/audit"
# Actions that an auditor looks for. Their icons stand out.
TONES = {
    Action.SIGN_IN_FAILED: "bad",
    Action.STUDENT_ERASED: "bad",
    Action.USER_ERASED: "bad",
    Action.LOG_SIGNED_AGAIN: "bad",
    Action.BACKUP_RESTORED: "bad",
    Action.SECOND_FACTOR_REMOVED: "warn",
    Action.SECOND_FACTORS_RESET: "warn",
    Action.RECOVERY_CODE_USED: "warn",
    Action.USER_DISABLED: "warn",
    Action.USER_ROLE_CHANGED: "warn",
    Action.KEY_REVOKED: "warn",
    Action.RETENTION_RUN: "warn",
    Action.YEAR_DROPPED: "bad",
    Action.STUDENTS_MERGED: "warn",
    Action.LOG_PRUNED: "warn",
    Action.SIGNED_IN: "good",
}
PageData = Annotated[AuditPageData, Depends(provided(AuditPageData))]
Field = Annotated[str, Form()]
Reader = Annotated[Visitor, Depends(visitor_with(Permission.AUDIT_READ))]


async def _typed_filters(
    by: str = "",
    about: str = "",
    action: str = "",
    school: str = "",
    period: str = "",
    first: Annotated[str, Query(alias="from")] = "",
    last: Annotated[str, Query(alias="to")] = "",
) -> TypedAuditFilters:
    return _stripped("", by, "", about, action, school, period, first, last)


async def _sent_filters(  # noqa: PLR0917 - the fields of the form
    who: Annotated[Words, Form()] = "",
    by: Field = "",
    whom: Annotated[Words, Form()] = "",
    about: Field = "",
    action: Field = "",
    school: Field = "",
    period: Field = "",
    first: Annotated[str, Form(alias="from")] = "",
    last: Annotated[str, Form(alias="to")] = "",
) -> TypedAuditFilters:
    return _stripped(who, by, whom, about, action, school, period, first, last)


def _stripped(*values: str) -> TypedAuditFilters:
    return TypedAuditFilters(*(each.strip() for each in values))


Typed = Annotated[TypedAuditFilters, Depends(_typed_filters)]
Sent = Annotated[TypedAuditFilters, Depends(_sent_filters)]


@router.get(PATH)
async def audit(
    request: Request, page_data: PageData, visitor: Reader, typed: Typed, now: Now, cursor: str | None = None
) -> Response:
    """The newest entries that match."""
    return await _page(request, page_data, visitor, typed, now, cursor)


@router.post(PATH)
async def search(request: Request, page_data: PageData, visitor: Reader, typed: Sent, now: Now) -> Response:
    """Finds names, and redirects to the entries of those who have them. Names stay out of addresses."""
    found = None if typed.invalid_fields else await page_data.with_parties(typed, visitor.caller)
    if found is None:
        return await _page(request, page_data, visitor, typed, now)
    query = found.query()
    return RedirectResponse(f"{PATH}?{query}" if query else PATH, HTTPStatus.SEE_OTHER)


@router.post(f"{PATH}/file")
async def export(
    request: Request,
    page_data: PageData,
    audit_log: Annotated[AuditLog, Depends(provided(AuditLog))],
    visitor: Reader,
    typed: Sent,
    now: Now,
    format: Annotated[Literal["csv", "xlsx"], Form()] = "csv",  # noqa: A002 - the name of the field
) -> Response:
    """All entries that match, as a file. The export is an entry, too. An invalid filter shows the page instead."""
    filters = await page_data.filters(typed, visitor.caller, now)
    if filters is None:
        return await _page(request, page_data, visitor, typed, now)
    file = WantedFile(FileKind[format.upper()], has_bom=True)
    chunks = await audit_log.export(visitor.caller, filters, file.kind.ending)
    return await file_answer(file, "audit", COLUMNS, rows_of_cells(chunks))


async def _page(
    request: Request,
    page_data: AuditPageData,
    visitor: Visitor,
    typed: TypedAuditFilters,
    now: datetime,
    cursor: str | None = None,
) -> Response:
    return site_of(request).page(
        request,
        "admin/audit.html",
        visitor=visitor,
        context=None,
        typed=typed,
        view=await page_data.view(typed, cursor, visitor.caller, now),
        areas=ACTIONS,
        periods=Period,
        lengths=LENGTHS,
        system=SYSTEM,
        agent_of=agent_of,
        tones=TONES,
        typed_value=typed_value,
    )
