"""`adsum status`: the statuses of a school."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.statuses.rules import CountsAs, Status, StatusChange, StatusFlag
from adsum.attendance.statuses.schemas import StatusItem
from adsum.attendance.statuses.service import Statuses
from adsum.platform.command_line.options import one_of, school_option
from adsum.platform.command_line.output import Json, show_item, show_items
from adsum.platform.command_line.session import run_with_services
from adsum.platform.services import Services
from adsum.schools.service import Schools

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("code", "label", "letter", "countsAs", "flags", "position", "retiredAt")
SchoolId = Annotated[int | None, school_option("Required if there are several.")]
Code = Annotated[str, typer.Argument(metavar="CODE", help="The code of the status, such as `trip`.")]
Letter = Annotated[str | None, typer.Option(help="One character, on registers and on the keyboard.")]
Position = Annotated[int | None, typer.Option(help="The position in lists, the lowest first.")]


@app.command("list")
def list_statuses(*, school: SchoolId = None, as_json: Json = False) -> None:
    """Show the statuses of a school in its order, including retired ones."""
    found = _of_school(school, lambda statuses, school_id: statuses.all_of(school_id, system_caller()))
    items = [StatusItem.of(each) for each in found]
    show_items(COLUMNS, items, as_json=as_json, dropped_first=("position", "flags"))


@app.command()
def add(
    code: Code,
    *,
    label: Annotated[str, typer.Option(help="The name of the status.")],
    letter: Annotated[str, typer.Option(help="One character, on registers and on the keyboard.")],
    counts_as: Annotated[CountsAs, typer.Option(parser=one_of(CountsAs), metavar="|".join(CountsAs))],
    flag: Annotated[
        list[StatusFlag], typer.Option(parser=one_of(StatusFlag), metavar="|".join(StatusFlag), help="Repeatable.")
    ] = [],  # noqa: B006 - never changed
    position: Position = None,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Add a status. Its code, its effect on counts and its flags never change."""
    status = Status(code, label, letter, counts_as, frozenset(flag), 100 if position is None else position)
    added = _of_school(school, lambda statuses, school_id: statuses.add(school_id, status, system_caller()))
    show_item(StatusItem.of(added), as_json=as_json)


@app.command()
def change(
    code: Code,
    *,
    label: Annotated[str | None, typer.Option(help="The name of the status.")] = None,
    letter: Letter = None,
    position: Position = None,
    retired: Annotated[
        bool | None, typer.Option("--retire/--reuse", help="Retire the status, or use it again; records keep it.")
    ] = None,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Rename, reorder or retire a status."""
    wanted = StatusChange(label, letter, position, retired)
    changed = _of_school(school, lambda statuses, school_id: statuses.change(school_id, code, wanted, system_caller()))
    show_item(StatusItem.of(changed), as_json=as_json)


def _of_school(school: int | None, work: Callable[[Statuses, int], Awaitable[Result]]) -> Result:
    """Runs `work` with the id of the given school, or of the only one."""

    async def run(services: Services) -> Result:
        school_id = school or (await services[Schools].only(system_caller())).id
        return await work(services[Statuses], school_id)

    return run_with_services(run)
