"""`adsum audit`: reads, exports and verifies the audit log."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from adsum.accounts.access import system_caller
from adsum.accounts.audit.chain import Link
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.verification import Verifier
from adsum.operations.audit.rules import AuditFilters
from adsum.operations.audit.schemas import COLUMNS, AuditItem, VerificationItem, rows_of_cells
from adsum.operations.audit.service import AuditLog
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import SchoolId, StudentId, one_of
from adsum.platform.command_line.output import (
    STDOUT,
    Json,
    compact_json,
    show_item,
    show_one,
    show_rows,
    show_text,
    whole_file,
)
from adsum.platform.command_line.session import run_with
from adsum.platform.files.csv_export import BOM, csv_lines
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest

app = typer.Typer(no_args_is_help=True)

SHOWN = (
    *("createdAt", "action", "callerRole", "callerUserId", "callerKeyId", "osUser", "address"),
    *("schoolId", "studentId", "userId", "keyId", "after"),
)
DROPPED_FIRST = ("keyId", "callerKeyId", "schoolId", "after", "osUser", "address")
MAX_AFTER = 100
"""Characters of the column. An import records hundreds."""
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
_SHORT_HEAD = re.compile(r"[0-9]{1,18}:[0-9a-f]{0,63}[^0-9a-f]?")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time such as 2024-12-25 or 2024-12-25T08:00:00Z") from None


def _actions(action: Action | None) -> tuple[Action, ...]:
    return () if action is None else (action,)


def _head(text: str) -> Link:
    match = _HEAD.fullmatch(text)
    if match is None and _SHORT_HEAD.fullmatch(text):
        raise typer.BadParameter(f"the hash has 64 digits: {text!r} is shortened")
    if match is None:
        raise typer.BadParameter(f"{text!r} is not POSITION:HASH, as a verification and the log lines show it")
    return Link(int(match[1]), match[2])


Since = Annotated[
    datetime | None, typer.Option(parser=_moment, metavar="TIME", help="The earliest time. Without an offset: UTC.")
]
Until = Annotated[datetime | None, typer.Option(parser=_moment, metavar="TIME", help="The time after the last one.")]
WantedAction = Annotated[
    Action | None, typer.Option("--action", parser=one_of(Action), metavar="ACTION", help="One kind of action.")
]
UserId = Annotated[
    int | None,
    typer.Option("--user", min=1, max=MAX_ID, metavar="ID", help="Who acted, or whom the action is about."),
]
KeyId = Annotated[
    int | None,
    typer.Option("--key", min=1, max=MAX_ID, metavar="ID", help="The API key that acted, or that it is about."),
]


@app.command("list")
def list_entries(
    *,
    since: Since = None,
    until: Until = None,
    action: WantedAction = None,
    user_id: UserId = None,
    key_id: KeyId = None,
    student_id: StudentId = None,
    school_id: SchoolId = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="Maximum number of entries.")] = 50,
    as_json: Json = False,
) -> None:
    """Show entries, the newest first."""
    filters = AuditFilters(since, until, _actions(action), user_id, key_id, student_id, school_id)
    page = run_with(AuditLog, lambda log: log.page(system_caller(), filters, PageRequest(limit=limit)))
    rows = [
        AuditItem.model_validate(entry).model_dump(mode="json" if as_json else "python", by_alias=True)
        for entry in page.items
    ]
    if not as_json:
        rows = [row | {"after": _shortened(row["after"])} for row in rows]
    show_rows(SHOWN, rows, as_json=as_json, dropped_first=DROPPED_FIRST, none="no entries")
    if page.next_cursor is not None:
        show_notice(f"there are more than {limit} entries: see --limit, --until and adsum audit export")


def _shortened(after: dict[str, Any] | None) -> str | None:
    if after is None:
        return None
    text = compact_json(after)
    return text if len(text) <= MAX_AFTER else f"{text[: MAX_AFTER - 1]}…"


@app.command()
def export(
    *,
    since: Since = None,
    until: Until = None,
    action: WantedAction = None,
    user_id: UserId = None,
    key_id: KeyId = None,
    student_id: StudentId = None,
    school_id: SchoolId = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The path of the file; - is stdout.")
    ] = STDOUT,
    as_json: Json = False,
) -> None:
    """Export all matching entries as CSV, the newest first. The export is an entry, too."""
    filters = AuditFilters(since, until, _actions(action), user_id, key_id, student_id, school_id)
    if output == STDOUT:
        _write(filters, sys.stdout.buffer, "")
        return
    with whole_file(output) as file:
        entries = _write(filters, file, BOM)
    show_one({"file": str(output), "entries": entries}, as_json=as_json)


def _write(filters: AuditFilters, file: BinaryIO, begin: str) -> int:
    async def write(log: AuditLog) -> int:
        count = 0
        chunks = await log.export(system_caller(), filters, "csv")
        file.write((begin + csv_lines([COLUMNS])).encode())
        async for rows in rows_of_cells(chunks):
            count += len(rows)
            file.write(csv_lines(rows).encode())
        return count

    return run_with(AuditLog, write)


@app.command()
def verify(
    *,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="POSITION:HASH",
            help="A head that was noted earlier, outside of the database. Repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find out whether entries were changed, removed, inserted or reordered. Exit status 1: they were.

    A later verification with `--head` and the position and hash that this one prints also finds an older state of the
    whole log that somebody has put back.
    """
    heads = [_head(text) for text in head or ()]
    _show(VerificationItem.of(run_with(Verifier, lambda verifier: verifier.verify(heads))), as_json=as_json)


@app.command()
def sign(*, as_json: Json = False) -> None:
    """Sign a log again whose hashes are right, after its signing key was lost. The log records it."""
    _show(VerificationItem.of(run_with(Verifier, lambda verifier: verifier.sign_again())), as_json=as_json)


def _show(item: VerificationItem, *, as_json: bool) -> None:
    if as_json:
        show_item(item, as_json=True)
    else:
        _print(item)
    if item.is_sealing_late:
        show_notice("entries are not sealed: is a worker running, with the signing key of the API?")
    if item.problem is not None:
        raise typer.Exit(1)


def _print(item: VerificationItem) -> None:
    row: dict[str, Any] = {"entries": item.entries, "head": f"{item.position}:{item.hash}"}
    if item.problem is None:
        show_text(f"The audit log is intact: {item.entries:,} {'entry' if item.entries == 1 else 'entries'}")
    else:
        row |= {"problem": item.problem, "wrongPosition": item.wrong_position, "detail": item.detail}
    if item.pruned_position:
        row["prunedPosition"] = item.pruned_position
    show_one(row | {"unsealed": item.unsealed}, as_json=False)
