"""`GET /audit`: the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.operations.audit.schemas import COLUMNS, AuditItem, AuditQuery, rows_of_cells
from adsum.operations.audit.service import AuditLog
from adsum.platform.http.dependencies import provided
from adsum.platform.http.list_files import AS_FILE, Accept, file_answer, wanted_file
from adsum.platform.http.schemas import Page, page_of_items

router = APIRouter(tags=["audit"])


@router.get(
    "/audit", name="listAuditEntries", summary="The audit log", response_model=Page[AuditItem], responses=AS_FILE
)
async def list_audit_entries(
    query: Annotated[AuditQuery, Query()],
    audit_log: Annotated[AuditLog, Depends(provided(AuditLog))],
    caller: Annotated[Caller, Depends(require(Permission.AUDIT_READ))],
    response: Response,
    accept: Accept = "",
) -> Page[AuditItem] | StreamingResponse:
    """Entries of the audit log, the newest first. A caller of some schools sees the entries of those.

    With `Accept: text/csv`, or that of XLSX: all matching entries in one file, without `limit` and `cursor`. Such an
    export is an entry, too.
    """
    if (file := wanted_file(accept)) is not None:
        chunks = await audit_log.export(caller, query.filters, file.kind.ending)
        return await file_answer(file, "audit", COLUMNS, rows_of_cells(chunks))
    response.headers["Vary"] = "Accept"
    page = await audit_log.page(caller, query.filters, query.page)
    return page_of_items(page, AuditItem.model_validate)
