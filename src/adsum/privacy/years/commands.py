"""`adsum year`: school years of records."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.output import Json, show_items
from adsum.platform.command_line.session import run_with
from adsum.privacy.years.schemas import SchoolYearItem
from adsum.privacy.years.service import SchoolYears

app = typer.Typer(no_args_is_help=True)
COLUMNS = ("year", "firstDay", "lastDay", "records", "partition")


@app.command("list")
def list_years(*, as_json: Json = False) -> None:
    """Show the school years that have records, with the partition of each."""
    years = run_with(SchoolYears, lambda years: years.list(system_caller()))
    show_items(COLUMNS, [SchoolYearItem.of(each) for each in years], as_json=as_json, none="no records")


@app.command()
def partition(
    *,
    first_month: Annotated[
        int | None,
        typer.Option(
            min=1, max=12, help="In which the school year begins.  [default: that of `adsum retention`, or 8]"
        ),
    ] = None,
) -> None:
    """Partition the records of Postgres by school year, while they are read and written.

    Every process has to be of this version: older ones neither start nor are ready afterwards. A repetition changes
    nothing.
    """
    done = run_with(SchoolYears, lambda years: years.partition(first_month, system_caller()))
    typer.echo("The records are partitioned." if done else "The records are partitioned already.")
