"""`adsum retention`: for how long data are kept, what would go, and the run that deletes it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer
from typer.models import OptionInfo

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import school_option
from adsum.platform.command_line.output import Json, show_item, show_items, show_text
from adsum.platform.command_line.session import run_with
from adsum.privacy.retention.rules import (
    FOREVER,
    MAX_YEARS,
    MIN_YEARS,
    DeletionNotConfirmed,
    Preview,
)
from adsum.privacy.retention.schemas import PreviewAnswer, RetentionAnswer
from adsum.privacy.retention.service import Retention, RetentionRuns, SchoolRetention

app = typer.Typer(no_args_is_help=True)

EVER, DEFAULT = "ever", "default"
PERIODS = ("kind", "years", "isDefault", "before")
DUE = ("schoolId", "kind", "year", "count", "firstDay", "lastDay")
SchoolId = Annotated[int | None, school_option("A school; without it, the default of all schools.")]


def _years(text: str) -> str:
    """A number of years, `ever` or `default`."""
    if text not in {EVER, DEFAULT} and not (text.isdecimal() and MIN_YEARS <= int(text) <= MAX_YEARS):
        raise typer.BadParameter(f"{text!r} is neither {MIN_YEARS} to {MAX_YEARS} years nor {EVER} nor {DEFAULT}")
    return text


def _stored(text: str) -> int | None:
    """The years as they are stored; None: those of the default."""
    return None if text == DEFAULT else FOREVER if text == EVER else int(text)


def _option(help_: str) -> OptionInfo:
    option: OptionInfo = typer.Option(parser=_years, metavar="YEARS|ever|default", help=help_)
    return option


@app.command()
def show(*, school_id: SchoolId = None, as_json: Json = False) -> None:
    """Show for how many years after their school year data are kept, and the day before which they go."""
    _show(run_with(Retention, lambda retention: retention.show(school_id, system_caller())), as_json=as_json)


@app.command("set")
def set_periods(
    *,
    school_id: SchoolId = None,
    records: Annotated[str | None, _option("Records with their history, and disputed marks.")] = None,
    notes: Annotated[str | None, _option("Notes of records, also in their history.")] = None,
    absences: Annotated[str | None, _option("Planned absences.")] = None,
    students: Annotated[str | None, _option("Students who have left, after their records and absences.")] = None,
    first_month: Annotated[int | None, typer.Option(min=1, max=12, help="In which the school year begins.")] = None,
    confirm: Annotated[str | None, typer.Option(metavar="CODE", help="The code of the dry run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Set for how many years after their school year data are kept. Options that are left out stay.

    Where more would go than before, it shows what, and needs --confirm with the code of the dry run. The worker then
    deletes it. It cannot be undone.
    """
    given = {"records": records, "notes": notes, "absences": absences, "students": students}
    chosen = {name: _stored(text) for name, text in given.items() if text is not None}
    if first_month is not None:
        chosen["first_month"] = first_month
    if not chosen:
        raise typer.BadParameter("nothing to set: use --records, --notes, --absences, --students or --first-month")

    async def changed(retention: Retention) -> SchoolRetention | Preview:
        periods = replace((await retention.show(school_id, system_caller())).own, **chosen)
        if dry_run:
            return await retention.preview(school_id, periods, system_caller())
        try:
            return await retention.set(school_id, periods, system_caller(), confirm)
        except DeletionNotConfirmed as error:
            show_notice(error.detail)
            return await retention.preview(school_id, periods, system_caller())

    result = run_with(Retention, changed)
    if isinstance(result, Preview):
        _show_preview(result, as_json=as_json)
        if not dry_run:
            raise typer.Exit(1)
    else:
        _show(result, as_json=as_json)


@app.command()
def run(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Delete now what is due at all schools, as the worker does within six hours. It cannot be undone."""
    preview = run_with(Retention, lambda retention: retention.preview(None, None, system_caller()))
    if dry_run:
        _show_preview(preview, as_json=as_json)
        return
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("a deletion cannot be undone: add --yes, or --dry-run to see what would go")
        _show_preview(preview, as_json=False)
        if not typer.confirm("Delete this permanently?", err=True):
            raise typer.Exit(1)
    rows = run_with(RetentionRuns, lambda runs: runs.delete_all())
    show_text(f"{rows:,} rows were deleted or changed.")


def _show(retention: SchoolRetention, *, as_json: bool) -> None:
    answer = RetentionAnswer.of(retention)
    if as_json:
        show_item(answer, as_json=True)
        return
    show_items(PERIODS, answer.periods, as_json=False, none="nothing")
    show_text(f"A school year begins in month {answer.first_month}. Without years, data are kept for ever.")


def _show_preview(preview: Preview, *, as_json: bool) -> None:
    answer = PreviewAnswer.of(preview)
    if as_json:
        show_item(answer, as_json=True)
        return
    show_items(DUE, answer.items, as_json=False, none="nothing is due")
    if answer.held:
        show_text(f"Students on hold, whose data stay: {answer.held}.")
    show_text(f"To confirm: {answer.confirmation}")
