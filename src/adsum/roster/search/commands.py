"""`adsum search`: students, classes and people by words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import read_words
from adsum.platform.command_line.output import Json, show_item, show_rows
from adsum.platform.command_line.session import run_with
from adsum.roster.search.rules import MAX_HITS
from adsum.roster.search.schemas import DEFAULT_HITS, SearchAnswer
from adsum.roster.search.service import Search

COLUMNS = ("kind", "id", "name", "sourcedId", "schoolId")


def search(
    words: Annotated[
        str, typer.Argument(parser=read_words, metavar="WORDS", help="Words of names, titles, emails and ids.")
    ],
    *,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_HITS, help="The maximum number of hits of each kind.")
    ] = DEFAULT_HITS,
    as_json: Json = False,
) -> None:
    """Show the students, classes and users that match words, the best matches first."""
    hits = run_with(Search, lambda service: service.find(words, limit, system_caller()))
    answer = SearchAnswer.of(hits)
    if as_json:
        show_item(answer, as_json=True)
    else:
        show_rows(COLUMNS, list(_rows(answer)), as_json=False, none="nothing matches these words")


def _rows(answer: SearchAnswer) -> Iterator[dict[str, Any]]:
    for student in answer.students.items:
        yield _row("student", student, f"{student.given_name} {student.family_name}".strip())
    for each in answer.classes.items:
        yield _row("class", each, each.title)
    for user in answer.users.items:
        yield _row("user", user, f"{user.given_name} {user.family_name}".strip() or user.email)


def _row(kind: str, item: Any, name: str | None) -> dict[str, Any]:
    return {"kind": kind, "id": item.id, "name": name, "sourcedId": item.sourced_id, "schoolId": item.school_id}
