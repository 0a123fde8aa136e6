"""The root of the command line. It imports the module of a command when the command runs, so that `--help` is fast."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
import typer.core
import typer.main
from typing_extensions import override

from adsum import __version__
from adsum.platform.command_line.interruption import interruptible
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.once import OnceCommand, refuse_repeated
from adsum.platform.command_line.openers import OPENERS, Openers
from adsum.platform.command_line.usage_errors import worded_usage_errors
from adsum.platform.errors import AdsumError, Unavailable, reason

if TYPE_CHECKING:
    from adsum.platform.services import Services
    from adsum.platform.settings import Settings


class LazyCommand(NamedTuple):
    """A command on the first level. `target` is the `module:attribute` of its function."""

    target: str
    summary: str


class LazyGroup(NamedTuple):
    """A group of commands.

    Attributes:
        target: the `module:attribute` of its Typer application.
        summary: its line in `adsum --help`.
        extra: commands whose functions live in other packages.
    """

    target: str
    summary: str
    extra: tuple[ExtraCommand, ...] = ()


class ExtraCommand(NamedTuple):
    """A command of a group, at the `module:attribute` of its function, listed behind the command `after`."""

    name: str
    target: str
    after: str


# The commands report outages themselves.
SILENT = ("adsum.batches.enqueue", "adsum.batches.activity.service")
SINGLE = {
    "up": LazyCommand(
        "adsum.processes.commands:up", "Start everything in one data folder: servers, API, worker, demo school."
    ),
    "serve": LazyCommand("adsum.processes.commands:serve", "Run the HTTP API alone."),
    "worker": LazyCommand("adsum.processes.commands:worker", "Run queue workers alone."),
    "migrate": LazyCommand("adsum.processes.commands:migrate", "Migrate the database to the schema of this version."),
    "upgrade": LazyCommand(
        "adsum.processes.commands:upgrade", "Migrate the database while processes of the version before go on."
    ),
    "doctor": LazyCommand(
        "adsum.operations.doctor.commands:doctor", "Report problems, and the command that repairs each."
    ),
    "search": LazyCommand("adsum.roster.search.commands:search", "Find students, classes and users by words."),
    "backup": LazyCommand(
        "adsum.processes.commands:backup", "Copy the data folder of `up` into one file, while it runs."
    ),
    "restore": LazyCommand("adsum.processes.commands:restore", "Restore a data folder from a backup."),
}
GROUPS = {
    "roster": LazyGroup(
        "adsum.roster.importing.commands:app",
        "Import schools, classes and students from OneRoster files or a service.",
        (ExtraCommand("sync", "adsum.roster.syncing.commands:sync", after="import"),),
    ),
    "batch": LazyGroup("adsum.batches.commands:app", "Mark a whole class, and follow the batch."),
    "queue": LazyGroup("adsum.operations.commands:queue_app", "Pause, resume and inspect the queue."),
    "attendance": LazyGroup(
        "adsum.attendance.commands:app",
        "Attendance records: list, correct and export them.",
        (ExtraCommand("import", "adsum.batches.marks_import.commands:import_marks", after="export"),),
    ),
    "absence": LazyGroup("adsum.absences.commands:app", "Planned absences of students."),
    "contradiction": LazyGroup(
        "adsum.attendance.disputed_marks.commands:app", "Disputed marks: marks from class that contradict the office's."
    ),
    "contact": LazyGroup("adsum.absences.contacts.commands:app", "Calls about unexplained absences."),
    "desk": LazyGroup("adsum.registers.desk.commands:app", "Late arrivals and early departures."),
    "register": LazyGroup("adsum.registers.commands:app", "Registers that were not taken, and reminders of them."),
    "event": LazyGroup("adsum.events.commands:app", "What happened, for other systems: list and follow events."),
    "webhook": LazyGroup("adsum.events.webhooks.commands:app", "Endpoints of other systems that receive events."),
    "cover": LazyGroup(
        "adsum.roster.covers.commands:app",
        "Teachers who cover the classes of others.",
        (ExtraCommand("needed", "adsum.roster.covers.by_teacher.commands:needed", after="assign"),),
    ),
    "report": LazyGroup("adsum.reports.commands:app", "Attendance rates, chronic absence, unexplained absences."),
    "calendar": LazyGroup(
        "adsum.schools.calendar.commands:app",
        "Closed days and the timetable of a school.",
        (ExtraCommand("import", "adsum.roster.timetable.commands:import_timetable", after="show"),),
    ),
    "school": LazyGroup(
        "adsum.schools.commands:app",
        "Schools and their edit windows.",
        (ExtraCommand("setup", "adsum.operations.setup.commands:setup", after="list"),),
    ),
    "status": LazyGroup("adsum.attendance.statuses.commands:app", "The statuses of a school: present, absent, a trip."),
    "student": LazyGroup(
        "adsum.roster.commands:student_app",
        "Students: list them, show their contacts, export, erase or merge their data.",
        (
            ExtraCommand("contacts", "adsum.roster.student_contacts.commands:contacts", after="list"),
            ExtraCommand("export", "adsum.privacy.commands:export", after="contacts"),
            ExtraCommand("erase", "adsum.privacy.commands:erase", after="export"),
            ExtraCommand("merge", "adsum.privacy.merging.commands:merge", after="erase"),
            ExtraCommand("readmit", "adsum.privacy.commands:readmit", after="merge"),
        ),
    ),
    "class": LazyGroup("adsum.roster.commands:class_app", "Classes of the roster."),
    "session": LazyGroup("adsum.roster.commands:session_app", "Sessions of classes."),
    "hold": LazyGroup("adsum.privacy.holds.commands:app", "Data of students that nobody may delete for now."),
    "retention": LazyGroup("adsum.privacy.retention.commands:app", "For how many years data are kept, and what goes."),
    "year": LazyGroup("adsum.privacy.years.commands:app", "School years of records: partitions, archives, deletion."),
    "user": LazyGroup(
        "adsum.roster.people.commands:app",
        "Users who can sign in: their roles and logins.",
        (
            ExtraCommand("erase", "adsum.privacy.staff.commands:erase", after="enable"),
            ExtraCommand("readmit", "adsum.privacy.staff.commands:readmit", after="erase"),
            ExtraCommand("identities", "adsum.accounts.single_sign_on.commands:list_identities", after="sign-out"),
            ExtraCommand("connect", "adsum.accounts.single_sign_on.commands:connect", after="identities"),
            ExtraCommand("disconnect", "adsum.accounts.single_sign_on.commands:disconnect", after="connect"),
        ),
    ),
    "token": LazyGroup("adsum.accounts.commands:token_app", "Bearer tokens."),
    "key": LazyGroup("adsum.accounts.key_management.commands:app", "API keys of programs."),
    "signing-key": LazyGroup("adsum.operations.signing_keys.commands:app", "The keys that sign tokens."),
    "audit": LazyGroup("adsum.operations.audit.commands:app", "Who did what: list, export and verify the audit log."),
    "config": LazyGroup("adsum.operations.commands:config_app", "Settings and their origins."),
}


class _Deferred(typer.core.TyperCommand):
    """The entry of a command in `adsum --help`. It imports the command when the command runs."""

    def __init__(self, name: str, lazy: LazyCommand | LazyGroup) -> None:
        super().__init__(name, help=lazy.summary)
        self._lazy = lazy

    @override
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        command = load_group(self._lazy) if isinstance(self._lazy, LazyGroup) else load_command(self._lazy.target)
        return command.make_context(info_name, args, parent, **extra)


def load_group(lazy: LazyGroup) -> typer.core.TyperGroup:
    """Imports a group with all of its commands."""
    group = typer.main.get_group(refuse_repeated(_imported(lazy.target)))
    for extra in lazy.extra:
        names = list(group.commands)
        names.insert(names.index(extra.after) + 1, extra.name)
        group.add_command(load_command(extra.target), extra.name)
        group.commands = {name: group.commands[name] for name in names}
    return group


def load_command(target: str) -> Any:
    """Imports the command at `module:attribute`."""
    single = typer.Typer(add_completion=False)
    single.command(cls=OnceCommand)(_imported(target))
    return typer.main.get_command(single)


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


class _Root(typer.core.TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, lazy in (SINGLE | GROUPS).items():
            self.add_command(_Deferred(name, lazy))

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [*SINGLE, *GROUPS]

    @override
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with worded_usage_errors():
            return super().make_context(info_name, args, parent, **extra)

    @override
    def invoke(self, ctx: Any) -> Any:
        with worded_usage_errors():
            return super().invoke(ctx)


# Typer's tracebacks would show local variables, such as passwords and names.
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
    """Runs one command. The exit status is 0, 1 after an error, 2 after wrong usage, or that of `interruptible`."""
    with interruptible():
        _run()


def _run() -> None:
    try:
        OPENERS.set(_openers())
        app(prog_name="adsum")
    except AdsumError as error:
        _print_error(error)
        sys.exit(1)
    except PermissionError as error:  # the data folder may belong to another user
        show_notice(f"{error.filename}: {error.strerror}")
        sys.exit(1)


def _openers() -> Openers:
    """The functions that open the services. They import `wiring` when a command runs, so that `--help` is fast."""

    @asynccontextmanager
    async def open_services(settings: Settings, *, enqueues: bool = False) -> AsyncGenerator[Services]:
        from adsum import wiring  # noqa: PLC0415

        async with wiring.open_services(settings, enqueues=enqueues) as services:
            yield services

    @asynccontextmanager
    async def open_queue(settings: Settings) -> AsyncGenerator[Services]:
        from adsum import wiring  # noqa: PLC0415

        async with wiring.open_queue_services(settings) as services:
            yield services

    @asynccontextmanager
    async def open_doctor(settings: Settings) -> AsyncGenerator[Services]:
        from adsum import wiring  # noqa: PLC0415

        async with wiring.open_doctor_services(settings) as services:
            yield services

    return Openers(open_services, open_queue, open_doctor, silent_loggers=SILENT)


def _print_error(error: AdsumError) -> None:
    """Prints one line per violation, or the detail of the error."""
    lines = [violation.detail for violation in error.violations] or [_with_reason(error)]
    for line in lines:
        show_notice(line)
    if error.params.get("total", 0) > len(error.violations):
        show_notice(error.detail)


def _with_reason(error: AdsumError) -> str:
    """The detail of the error, and why a server does not answer: there may be no such database or role."""
    why = reason(error) if isinstance(error, Unavailable) and error.__cause__ is not None else error.detail
    return error.detail if why == error.detail else f"{error.detail}: {why}"
