"""`adsum student merge`: merges two records of one student."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import one_of, read_day
from adsum.platform.command_line.output import Json, show_item, show_one, show_rows, show_text
from adsum.platform.command_line.session import run_with
from adsum.platform.errors import Violation
from adsum.platform.ids import MAX_ID
from adsum.privacy.merging.rules import ChoiceNeeded, Merge, MergeChoices, NamesNotConfirmed, Prefer, RecordChoice
from adsum.privacy.merging.schemas import MergeAnswer
from adsum.privacy.merging.service import StudentMerges
from adsum.roster.schemas import StudentItem

_read_prefer = one_of(Prefer)


def _read_choice(text: str) -> RecordChoice:
    place, _, prefer = text.partition("=")
    day, _, session = place.partition(":")
    if session and not (session.isascii() and session.isdigit() and 1 <= int(session) <= MAX_ID):
        raise typer.BadParameter(f"{session[:40]!r} is not the id of a session")
    return RecordChoice(read_day(day), _read_prefer(prefer), int(session) if session else None)


def merge(
    keep: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="KEEP", help="The id of the student who stays.")],
    remove: Annotated[
        int, typer.Argument(min=1, max=MAX_ID, metavar="REMOVE", help="The id of the second record of the student.")
    ],
    *,
    prefer: Annotated[
        Prefer | None,
        typer.Option(
            parser=_read_prefer, metavar="keep|remove", help="The record that holds in sessions in which both have one."
        ),
    ] = None,
    choose: Annotated[
        list[RecordChoice] | None,
        typer.Option(
            parser=_read_choice,
            metavar="DATE[:SESSION]=keep|remove",
            help="The record that holds on a day, or in a session of it. Repeatable; takes precedence over --prefer.",
        ),
    ] = None,
    allow_different_names: Annotated[
        bool,
        typer.Option("--allow-different-names", help="Both are records of one student although their names differ."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would move, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Merge two records of one student: everything of REMOVE moves to KEEP. It cannot be undone.

    Days on which both have a record are listed and need a choice, and different names need a confirmation; without
    them nothing happens.
    """
    choices = MergeChoices(prefer, choose or [], allow_different_names)

    async def run(merges: StudentMerges) -> Merge:
        return await (merges.preview if dry_run else merges.merge)(keep, remove, choices, system_caller())

    try:
        merged = run_with(StudentMerges, run)
    except (ChoiceNeeded, NamesNotConfirmed) as error:
        raise type(error)(error.detail, [_with_option(each) for each in error.violations]) from None
    if as_json:
        show_item(MergeAnswer.of(merged), as_json=True)
        return
    _show(merged)


def _with_option(violation: Violation) -> Violation:
    """The violation with the option that answers it."""
    session = f"{violation.params.get('learningDate')}:{violation.params.get('sessionId')}"
    option = {
        "both_recorded": f"choose with --prefer keep|remove, or --choose {session}=keep|remove",
        "names_not_confirmed": "if they are one student, confirm with --allow-different-names",
    }[violation.code]
    return replace(violation, detail=f"{violation.detail}: {option}")


def _facts(student: StudentItem) -> dict[str, object]:
    return {
        "Name": f"{student.given_name} {student.family_name} ({student.id})",
        "School": student.school_id,
        "Sourced id": student.sourced_id,
        "Grade": student.grade,
        "Active": student.active,
    }


def _show(merge: Merge) -> None:
    answer = MergeAnswer.of(merge)
    for warning in answer.warnings:
        show_notice(warning.detail)
    keep, remove = _facts(answer.student), _facts(answer.removed)
    sides = [{"record": label, "keep": keep[label], "remove": remove[label]} for label in keep]
    show_rows(("record", "keep", "remove"), sides, as_json=False)
    show_one(answer.moved.model_dump(by_alias=True), as_json=False)
    rows = [
        {
            "date": each.learning_date,
            "class": each.class_title,
            "session": f"{each.session_id} {each.session_title}",
            "keep": each.keep.status,
            "remove": each.remove.status,
            "holds": each.prefer,
        }
        for each in answer.doubles
    ]
    if rows:
        show_text(f"Both have a record in {len(rows)} {'session' if len(rows) == 1 else 'sessions'}:")
        show_rows(("date", "class", "session", "keep", "remove", "holds"), rows, as_json=False)
    if merge.is_repeated:
        show_text("Already merged: nothing was changed.")
    else:
        show_text("Merged." if merge.merged_at else "A dry run: nothing was changed.")
