"""`adsum roster sync`: syncs the roster with a OneRoster 1.2 REST service, and prints the report."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.output import Json, show_item, show_text
from adsum.platform.command_line.session import run_with_services
from adsum.platform.errors import Conflict, Forbidden, Invalid, Malformed
from adsum.platform.services import Services
from adsum.roster.importing.commands import (
    AllowRemovals,
    DryRun,
    ImportProgress,
    Strict,
    TimeZone,
    ValidFrom,
    show_refusal,
    show_report,
)
from adsum.roster.importing.rules import ImportOptions
from adsum.roster.syncing.rules import SyncReport, WrongSource, roster_source_of
from adsum.roster.syncing.schemas import SyncAnswer
from adsum.roster.syncing.service import RosterSync


def sync(
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL]", help="The address before /users. [default: ADSUM_ROSTER_SYNC_URL]", show_default=False
        ),
    ] = None,
    *,
    token_url: Annotated[
        str | None,
        typer.Option("--token-url", metavar="URL", help="The token endpoint. [default: ADSUM_ROSTER_SYNC_TOKEN_URL]"),
    ] = None,
    client_id: Annotated[
        str | None,
        typer.Option(
            "--client-id",
            metavar="ID",
            help="The id of Adsum there. [default: ADSUM_ROSTER_SYNC_CLIENT_ID] The secret is only in "
            "ADSUM_ROSTER_SYNC_CLIENT_SECRET, or in the file of ADSUM_ROSTER_SYNC_CLIENT_SECRET_FILE.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only the changes since the last sync.")] = (
        False
    ),
    dry_run: DryRun = False,
    strict: Strict = False,
    allow_removals: AllowRemovals = False,
    timezone: TimeZone = None,
    valid_from: ValidFrom = None,
    as_json: Json = False,
) -> None:
    """Sync with a OneRoster 1.2 REST service. Exits with 1 if objects were left out or the sync was refused."""
    options = ImportOptions(
        dry_run=dry_run, strict=strict, allow_removals=allow_removals, time_zone=timezone, valid_from=valid_from
    )

    async def run(services: Services) -> SyncReport:
        source = roster_source_of(services.settings, url=url, token_url=token_url, client_id=client_id)
        with ImportProgress() as progress:
            return await services[RosterSync].run(
                source, caller=system_caller(), options=options, full=full, progress=progress.show
            )

    try:
        report = run_with_services(run)
    except (Malformed, Invalid, Forbidden, Conflict) as error:
        if isinstance(error, WrongSource) and not as_json:  # its detail has all
            show_notice(error.detail)
        else:
            show_refusal(error, as_json=as_json)
        sys.exit(1)
    if as_json:
        show_item(SyncAnswer.of_sync(report), as_json=True)
    else:
        show_text(f"{'Everything' if report.is_full else 'The changes'} of {report.source}:")
        show_report(report.imported, as_json=False)
    if report.imported.violation_count:
        sys.exit(1)
