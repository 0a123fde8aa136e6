"""`adsum student export`, `erase` and `readmit`: the data of a student. `roster.commands` has the group."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import school_option
from adsum.platform.command_line.output import STDOUT, Json, json_to_stdout, show_item, whole_file
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.privacy.schemas import ErasedAnswer, StudentDataAnswer
from adsum.privacy.service import StudentData

StudentId = Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the student: see `list`.")]


def export(
    student_id: StudentId,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The path of the file; - is stdout.")
    ] = STDOUT,
) -> None:
    """Export all data about a student as JSON, for the student or their parents."""
    data = run_with(StudentData, lambda student_data: student_data.export(student_id, system_caller()))
    answer = StudentDataAnswer.model_validate(data).model_dump(mode="json", by_alias=True)
    text = json.dumps(answer, indent=2, ensure_ascii=False) + "\n"
    if output == STDOUT:
        json_to_stdout(text)
        return
    with whole_file(output) as file:
        file.write(text.encode())


def erase(
    student_id: StudentId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a student with all records and their history; the counts of batches stay. It cannot be undone."""
    if not yes and not _confirmed(student_id):
        raise typer.Exit(1)
    erased = run_with(StudentData, lambda student_data: student_data.erase(student_id, system_caller()))
    show_item(ErasedAnswer.model_validate(erased), as_json=as_json)


def readmit(
    sourced_id: Annotated[str, typer.Argument(metavar="SOURCED_ID", help="The id of the student in the roster.")],
    *,
    school_id: Annotated[int, school_option("The school of the student.")],
) -> None:
    """Let rosters add an erased student again, as a new student without history."""
    run_with(StudentData, lambda student_data: student_data.readmit(school_id, sourced_id, system_caller()))
    show_notice(f"later rosters of school {school_id} add the student again")


def _confirmed(student_id: int) -> bool:
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"an erasure cannot be undone; to erase student {student_id}, add --yes", param_hint="ID"
        )
    return typer.confirm(f"Erase student {student_id} permanently?", err=True)
