"""The command line's root. A command's module is imported when the command is run, so that `--help` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
import typer.core
import typer.main
from typing_extensions import override

from adsum import __version__
from adsum.errors import AdsumError

# Each command's module has a Typer `app`; one with a single command in it gives that command.
SINGLE = {
    "up": ("adsum.cli.processes:up", "Start everything in one data folder: servers, API, worker, demo school."),
    "serve": ("adsum.cli.processes:serve", "Run the HTTP API alone."),
    "worker": ("adsum.cli.processes:worker", "Run a queue worker alone; as many as wanted."),
    "migrate": ("adsum.cli.processes:migrate", "Bring the database to this version's schema."),
    "doctor": ("adsum.cli.doctor:doctor", "Say what is wrong, and the command that mends it."),
    "backup": ("adsum.cli.backup:backup", "Copy the data folder of `up` into one file, while it runs."),
    "restore": ("adsum.cli.backup:restore", "Make a data folder from a backup."),
}
GROUPS = {
    "roster": ("adsum.cli.roster:app", "Import schools, classes and students from OneRoster files."),
    "batch": ("adsum.cli.batch:app", "Mark a whole class, and follow what becomes of it."),
    "queue": ("adsum.cli.queue:app", "Pause the workers, let them go on, see what waits."),
    "attendance": ("adsum.cli.attendance:app", "Look at what is recorded, and correct it."),
    "absence": ("adsum.cli.absences:app", "Say beforehand who will be away."),
    "contradiction": ("adsum.cli.contradictions:app", "What was said in class against the office's marks."),
    "register": ("adsum.cli.registers:app", "Which classes were not marked."),
    "cover": ("adsum.cli.covers:app", "Let a teacher stand in for another."),
    "report": ("adsum.cli.reports:app", "Rates, chronic absence, and what nobody has explained."),
    "calendar": ("adsum.cli.calendar:app", "Days on which a school is closed, and its timetable."),
    "school": ("adsum.cli.schools:app", "The schools that there are."),
    "status": ("adsum.cli.schools:status_app", "What can be recorded in a school: present, absent, a trip."),
    "student": ("adsum.cli.students:app", "Hand over or erase what is kept about a student."),
    "user": ("adsum.cli.users:app", "People who may sign in."),
    "token": ("adsum.cli.tokens:app", "Bearer tokens."),
    "key": ("adsum.cli.keys:app", "API keys of programs."),
    "config": ("adsum.cli.config:app", "Settings, and where they come from."),
}


class _Deferred(typer.core.TyperCommand):
    """Stands in the list of commands; the real one takes over when it is run."""

    def __init__(self, name: str, place: str, summary: str, *, is_group: bool) -> None:
        super().__init__(name, help=summary)
        self._place = place
        self._is_group = is_group

    @override
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        module, _, attribute = self._place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if self._is_group:
            return typer.main.get_group(found).make_context(info_name, args, parent, **extra)
        single = typer.Typer(add_completion=False)
        single.command()(found)
        return typer.main.get_command(single).make_context(info_name, args, parent, **extra)


class _Root(typer.core.TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (place, summary) in SINGLE.items():
            self.add_command(_Deferred(name, place, summary, is_group=False))
        for name, (place, summary) in GROUPS.items():
            self.add_command(_Deferred(name, place, summary, is_group=True))

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [*SINGLE, *GROUPS]


# Its tracebacks would show local variables, and with them passwords and names.
app = typer.Typer(cls=_Root, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"adsum {__version__}")
        raise typer.Exit


@app.callback()
def adsum(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Adsum, "I am present": records the attendance of a whole class in one request."""


def main() -> None:
    """Runs one command: exit 0, 1 where it failed, 2 where it was used wrongly."""
    try:
        app(prog_name="adsum")
    except AdsumError as error:
        _complain(error)
        sys.exit(1)
    except PermissionError as error:  # a data folder is for one user alone, and this may be another one
        typer.echo(f"adsum: {error.filename}: {error.strerror}", err=True)
        sys.exit(1)


def _complain(error: AdsumError) -> None:
    """One line for every wrong thing."""
    lines = [flaw.detail for flaw in error.flaws] or [error.detail]
    for line in lines:
        typer.echo(f"adsum: {line}", err=True)
