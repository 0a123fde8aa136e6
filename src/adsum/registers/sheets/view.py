"""A register sheet as the page shows it, and as the page's script reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adsum.attendance.statuses.rules import tone_of
from adsum.batches.schemas import BatchStatusAnswer
from adsum.registers.sheets.rules import RegisterSheet, SavedSheet, SheetRow


def sheet_as_json(sheet: RegisterSheet) -> dict[str, Any]:
    """What the script needs to bring a page that was open for a while up to date."""
    return {
        "rosterVersion": sheet.roster_version,
        "rows": [_row(row) for row in sheet.rows],
        "newestRun": None if sheet.newest_run is None else _status(sheet),
    }


def saved_as_json(saved: SavedSheet, sheet: RegisterSheet) -> dict[str, Any]:
    """What became of what was handed in, and the sheet as it stands now."""
    submitted = saved.submitted
    return {
        "batchId": submitted.batch_id if submitted is not None else None,
        "runId": submitted.run_id if submitted is not None else None,
        "isSkipped": submitted.is_skipped if submitted is not None else False,
        "isQueued": submitted is not None and submitted.is_new_run,
        "conflicts": [
            {
                "studentId": each.student_id,
                "recorded": each.recorded.status if each.recorded is not None else None,
                "requested": each.requested.status,
            }
            for each in (submitted.conflicts if submitted is not None else ())
        ],
        "corrected": list(saved.corrected),
        "kept": list(saved.kept),
        "refused": {str(student_id): error.detail for student_id, error in saved.refused.items()},
        "sheet": sheet_as_json(sheet),
    }


def statuses_as_json(sheet: RegisterSheet, translated: Callable[[str], str]) -> list[Mapping[str, str]]:
    """The statuses that can be given, in the school's order; their letters are keys."""
    return [
        {"code": each.code, "label": translated(each.label), "letter": each.letter, "look": tone_of(each)}
        for each in sheet.statuses
        if each.is_in_use
    ]


def _row(row: SheetRow) -> dict[str, Any]:
    standing = row.standing
    return {
        "studentId": row.student_id,
        "recordId": standing.record_id if standing is not None else None,
        "version": standing.version if standing is not None else None,
        "status": standing.status if standing is not None else None,
        "note": standing.note if standing is not None else None,
        "isOffices": standing.is_offices if standing is not None else False,
        "said": standing.said if standing is not None else None,
        "failure": row.failure,
    }


def _status(sheet: RegisterSheet) -> dict[str, Any]:
    assert sheet.newest_run is not None
    return BatchStatusAnswer.of(sheet.newest_run).model_dump(mode="json", by_alias=True)
