"""The commands about processes, the schema and the data folder, from `up` to `restore`."""

# ruff: noqa: PLC0415 - each command imports only what it needs: FastAPI alone takes half a second

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adsum.platform.embedded.data_folder import DataFolder
    from adsum.platform.settings import Settings

DataDir = Annotated[Path | None, typer.Option(help="The data folder.  [default: ADSUM_DATA_DIR]")]
Host = Annotated[str | None, typer.Option(help="The address to listen on.  [default: ADSUM_HOST]")]
Port = Annotated[int | None, typer.Option(help="The port to listen on.  [default: ADSUM_PORT]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FIRST_REVISION_WITH_EVENTS = "0056"


def up(
    *,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    demo: Annotated[bool, typer.Option(help="Load the demo school into a new data folder.")] = True,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser's window.")] = True,
) -> None:
    """Start everything in one data folder: Valkey, the database, the API, a worker, the demo school."""
    from adsum.platform.settings import load_settings
    from adsum.processes.up import run_up

    run_up(load_settings(data_dir=data_dir, host=host, port=port), demo=demo, open_browser=open_browser)


def serve(*, host: Host = None, port: Port = None) -> None:
    """Run the HTTP API alone. It needs a secret key and a migrated database."""
    from adsum.platform.settings import load_settings
    from adsum.processes.serve import run_serve

    run_serve(load_settings(host=host, port=port))


def worker(
    *,
    processes: Annotated[
        int | None, typer.Option(help="Workers to keep running.  [default: ADSUM_WORKER_PROCESSES]")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Concurrent chunks of each worker.  [default: ADSUM_WORKER_CONCURRENCY]")
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option(help="Shards of the queue to serve, such as 0,2.  [default: ADSUM_WORKER_SHARDS, or all]"),
    ] = None,
) -> None:
    """Run queue workers alone. Any number may run, on any number of machines."""
    from adsum.platform.settings import load_settings
    from adsum.platform.telemetry import configure_logs
    from adsum.processes.worker import default_processes, run_worker, run_workers

    settings = load_settings(worker_concurrency=concurrency, worker_processes=processes, worker_shards=shards)
    configure_logs(settings)
    count = settings.worker_processes or default_processes()
    if count == 1:
        run_worker(settings)
    else:
        run_workers(settings, count)


def migrate(*, as_json: Json = False) -> None:
    """Migrate the database to the schema of this version. A repetition changes nothing."""
    import asyncio

    from adsum import wiring
    from adsum.platform.command_line.output import show_one
    from adsum.platform.database.revision import newest_revision
    from adsum.platform.settings import load_settings
    from adsum.platform.telemetry import configure_logs

    settings = load_settings()
    configure_logs(settings)
    applied = asyncio.run(wiring.migrate(settings))
    show_one({"revision": newest_revision(), "appliedMigrations": applied}, as_json=as_json)


def upgrade(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Migrate the database while processes of the version before go on; refuse if they could not.

    Afterwards start processes of this version one by one, and stop the old ones.
    """
    import asyncio

    from adsum import wiring
    from adsum.platform.command_line.output import show_one
    from adsum.platform.errors import ConfigurationError
    from adsum.platform.settings import load_settings
    from adsum.platform.telemetry import configure_logs
    from adsum.processes.upgrade import plan_upgrade

    settings = load_settings()
    configure_logs(settings)
    plan = asyncio.run(wiring.with_database(settings, plan_upgrade))
    row = {
        "schema": plan.schema,
        "newestSchema": plan.newest_schema,
        "missingMigrations": plan.missing,
        "withoutPause": plan.without_pause,
    }
    if not as_json:
        row["missingMigrations"] = plan.summary
    if check or not plan.without_pause:
        show_one(row, as_json=as_json)
    if not plan.without_pause:
        raise ConfigurationError(
            f"processes of the version with schema {plan.schema} do not work on schema {plan.newest_schema}: "
            "stop every process, then run `adsum migrate`"
        )
    if not check:
        show_one(row | {"appliedMigrations": asyncio.run(wiring.migrate(settings))}, as_json=as_json)


def backup(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder, or a new file NAME.tar.gz or NAME.age.")],
    *,
    data_dir: DataDir = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="Encrypt the file to this public key of age; repeatable.  [default: ADSUM_BACKUP_RECIPIENTS]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy database, secret key and demo accounts into one file that only you can read. `up` may run meanwhile.

    The file does not contain the queue: waiting batches are queued again from the database.
    """
    from adsum import __version__
    from adsum.platform.clock import system_clock
    from adsum.platform.command_line.output import show_one
    from adsum.platform.command_line.progress import waiting
    from adsum.platform.embedded.backup import back_up
    from adsum.platform.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    recipients = recipient or settings.backup_recipients.replace(",", " ").split()
    with waiting("Copying the database") as show:
        made = back_up(
            _data_folder(settings, "backup"),
            path,
            version=__version__,
            now=system_clock(),
            progress=lambda done: show(f"{done} %"),
            recipients=recipients,
        )
    _record(_data_folder(settings, "backup"), "backup_made", {"bytes": made.size, "schema": made.manifest.schema})
    row = {
        "path": str(made.path),
        "bytes": made.size,
        "schema": made.manifest.schema,
        "madeAt": made.manifest.made_at,
        "encryptedTo": len(recipients),
    }
    if not as_json:
        keys = f"{len(recipients)} {'key' if len(recipients) == 1 else 'keys'}"
        row["encryptedTo"] = keys if recipients else "nobody: the file is not encrypted"
    show_one(row, as_json=as_json)


def restore(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that `adsum backup` made.")],
    *,
    data_dir: DataDir = None,
    identity: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file with the secret key of an encrypted backup.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Restore into a folder with data, which is moved aside.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Restore a data folder from a backup. The next `up` migrates it if necessary, and queues waiting batches again."""
    from adsum.platform.clock import system_clock
    from adsum.platform.command_line.output import show_one
    from adsum.platform.command_line.progress import waiting
    from adsum.platform.database.revision import newest_revision
    from adsum.platform.embedded.restore import restore as restore_backup
    from adsum.platform.settings import load_settings

    folder = _data_folder(load_settings(data_dir=data_dir), "restore")
    with waiting("Restoring"):
        done = restore_backup(
            *(folder, path),
            newest_schema=newest_revision(),
            now=system_clock(),
            force=force,
            prepare=_skip_event_ids,
            identity=identity,
        )
    _record(
        folder,
        "backup_restored",
        {"madeAt": done.manifest.made_at.isoformat(), "schema": done.manifest.schema},
    )
    row = {
        "dataDir": str(folder.root),
        "madeAt": done.manifest.made_at,
        "schema": done.manifest.schema,
        "keptAside": None if done.kept_aside is None else str(done.kept_aside),
    }
    if done.kept_aside is None and not as_json:
        del row["keptAside"]
    show_one(row, as_json=as_json)


def _skip_event_ids(database: Path, revision: str) -> None:
    """Gives new events of a restored database ids that no event has had."""
    import asyncio

    from adsum.events.service import EventNumbering
    from adsum.platform.clock import system_clock
    from adsum.platform.database.engine import open_database

    async def skip() -> None:
        opened = open_database(f"sqlite:///{database}")
        try:
            await EventNumbering(opened).skip_ids(system_clock())
        finally:
            await opened.close()

    if revision >= FIRST_REVISION_WITH_EVENTS:
        asyncio.run(skip())


def _record(folder: DataFolder, action: str, after: dict[str, Any]) -> None:
    """Records it in the database of the data folder. That of an older version has no audit log yet."""
    import asyncio

    from adsum.accounts.audit.by_command import record_by_command
    from adsum.accounts.audit.rules import Action
    from adsum.platform.command_line.notices import show_notice
    from adsum.platform.errors import Unavailable

    try:
        asyncio.run(record_by_command(folder.database_url, Action(action), after))
    except Unavailable:
        show_notice("the audit log does not record this: its database is of an older version, or cannot be written")


def _data_folder(settings: Settings, command: str) -> DataFolder:
    """The data folder of `up`. Raises BackupRefused: ADSUM_DATABASE_URL names another database."""
    from adsum.platform.embedded.archive import BackupRefused
    from adsum.platform.embedded.data_folder import DataFolder

    if settings.database_url is None:
        return DataFolder.of(settings)
    if settings.database_url.startswith("postgres"):
        tool = "pg_dump" if command == "backup" else "pg_restore"
        raise BackupRefused(
            f"ADSUM_DATABASE_URL names a Postgres database: use {tool}; "
            f"`adsum {command}` is for the data folder of `up`"
        )
    raise BackupRefused(
        f"ADSUM_DATABASE_URL names a database of your own: `adsum {command}` is for the data folder of `up`"
    )
