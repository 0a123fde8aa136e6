"""`adsum backup` and `adsum restore`: the data folder of `up`, in one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from adsum import __version__
from adsum.embedded.archive import BackupRefused
from adsum.embedded.backup import back_up
from adsum.embedded.data_folder import DataFolder
from adsum.embedded.restoring import restore as restore_backup
from adsum.platform.command_line.output import Json, show_one
from adsum.platform.command_line.steps import waiting
from adsum.platform.database.schema import newest_revision
from adsum.platform.settings import Settings, load_settings
from adsum.processes.commands import DataDir


def backup(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that is not there yet, or a folder.")],
    *,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Copy database, secret key and demo accounts into one file that only you can read. `up` may run meanwhile.

    The queue is not in it: whatever waits is queued again from the database.
    """
    folder = _folder(load_settings(data_dir=data_dir), "backup")
    with waiting("Copying the database") as show:
        made = back_up(
            folder, path, version=__version__, now=datetime.now(UTC), progress=lambda done: show(f"{done} %")
        )
    row = {"path": str(made.path), "bytes": made.size, "schema": made.manifest.schema, "madeAt": made.manifest.made_at}
    show_one(row, as_json=as_json)


def restore(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that `adsum backup` made.")],
    *,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Also into a folder with data, which is kept aside.")] = False,
    as_json: Json = False,
) -> None:
    """Make a data folder from a backup. The next `up` migrates it if need be, and queues again whatever waits."""
    folder = _folder(load_settings(data_dir=data_dir), "restore")
    with waiting("Restoring"):
        done = restore_backup(folder, path, newest_schema=newest_revision(), now=datetime.now(UTC), force=force)
    row = {
        "dataDir": str(folder.root),
        "madeAt": done.manifest.made_at,
        "schema": done.manifest.schema,
        "keptAside": None if done.kept_aside is None else str(done.kept_aside),
    }
    show_one(row, as_json=as_json)


def _folder(settings: Settings, verb: str) -> DataFolder:
    """Of `up`; a database of somebody's own has tools of its own."""
    if settings.database_url is None:
        return DataFolder.of(settings)
    if settings.database_url.startswith("postgres"):
        tool = "pg_dump" if verb == "backup" else "pg_restore"
        raise BackupRefused(
            f"ADSUM_DATABASE_URL names a Postgres database: use {tool}; `adsum {verb}` is for the data folder of `up`"
        )
    raise BackupRefused(
        f"ADSUM_DATABASE_URL names a database of your own: `adsum {verb}` is for the data folder of `up`"
    )
