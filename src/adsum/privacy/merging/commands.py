"""`adsum student merge`: merges two records of one student."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import one_of, read_day
from adsum.platform.command_line.output import Json, show_item, show_one, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.privacy.merging.rules import Choice, Choices, Merge, Prefer
from adsum.privacy.merging.schemas import MergeAnswer
from adsum.privacy.merging.service import StudentMerges

_read_prefer = one_of(Prefer)


def _read_choice(text: str) -> Choice:
    place, _, prefer = text.partition("=")
    day, _, session = place.partition(":")
    if session and not (session.isascii() and session.isdigit() and 1 <= int(session) <= MAX_ID):
        raise typer.BadParameter(f"{session[:40]!r} is not the id of a session")
    return Choice(read_day(day), _read_prefer(prefer), int(session) if session else None)


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
        list[Choice] | None,
        typer.Option(
            parser=_read_choice,
            metavar="DATE[:SESSION]=keep|remove",
            help="The record that holds on a day, or in a session of it. Repeatable; takes precedence over --prefer.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would move, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Merge two records of one student: everything of REMOVE moves to KEEP. It cannot be undone.

    Days on which both have a record are listed and need a choice; without it nothing happens.
    """
    choices = Choices(prefer, choose or [])

    async def run(merges: StudentMerges) -> Merge:
        return await (merges.preview if dry_run else merges.merge)(keep, remove, choices, system_caller())

    merged = run_with(StudentMerges, run)
    if as_json:
        show_item(MergeAnswer.of(merged), as_json=True)
        return
    _show(merged)


def _show(merge: Merge) -> None:
    answer = MergeAnswer.of(merge)
    pair = {"keep": answer.student, "remove": answer.removed}
    names = {side: f"{each.given_name} {each.family_name} ({each.id})" for side, each in pair.items()}
    show_one(names | answer.moved.model_dump(by_alias=True), as_json=False)
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
        typer.echo(f"Both have a record in {len(rows)} {'session' if len(rows) == 1 else 'sessions'}:")
        show_rows(("date", "class", "session", "keep", "remove", "holds"), rows, as_json=False)
    typer.echo("Merged." if merge.merged_at else "A dry run: nothing was changed.")
