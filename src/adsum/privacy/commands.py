"""`adsum student`: a child's data, handed over or erased."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.output import STDOUT, Json, show_one, to_stdout, whole_file
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.privacy.endpoints import StudentDataAnswer

app = typer.Typer(no_args_is_help=True)

StudentId = Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="Our id of the student.")]


@app.command()
def export(
    student_id: StudentId,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Else it goes to stdout.")] = STDOUT,
) -> None:
    """Write everything that is kept about a student, as JSON: for them, or for their parents."""
    found = with_adsum(lambda adsum: adsum.student_data.export(student_id, system_caller()))
    text = json.dumps(StudentDataAnswer.of(found).model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    if output == STDOUT:
        to_stdout(text)
        return
    with whole_file(output) as file:
        file.write(text.encode())


@app.command()
def erase(
    student_id: StudentId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a student with all records and their history; the counts of batches stay. It cannot be taken back."""
    if not yes and not _confirmed(student_id):
        raise typer.Exit(1)
    erased = with_adsum(lambda adsum: adsum.student_data.erase(student_id, system_caller()))
    show_one({"studentId": erased.student_id, "records": erased.records}, as_json=as_json)


def _confirmed(student_id: int) -> bool:
    if not sys.stdin.isatty():
        raise typer.BadParameter("this cannot be taken back: say so with --yes", param_hint="--yes")
    return typer.confirm(f"Erase student {student_id} for ever?", err=True)
