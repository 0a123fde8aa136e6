"""`adsum year`: school years of records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.output import Json, show_item, show_items, show_text
from adsum.platform.command_line.session import run_with
from adsum.privacy.years.archive import read_archive
from adsum.privacy.years.archives import YearArchives
from adsum.privacy.years.rules import YearManifest
from adsum.privacy.years.schemas import ArchiveItem, SchoolYearItem
from adsum.privacy.years.service import SchoolYears

app = typer.Typer(no_args_is_help=True)
Year = Annotated[int, typer.Argument(min=1990, max=9998, metavar="YEAR", help="In which it begins: 2023 is 2023/24.")]
Archive = Annotated[Path, typer.Argument(metavar="FILE", help="The file of the archive.")]
Yes = Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")]
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
    show_text("The records are partitioned." if done else "The records are partitioned already.")


@app.command()
def archive(
    year: Year,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, such as 2023.tar.")],
    *,
    drop: Annotated[bool, typer.Option("--drop", help="Then delete the records of the year.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write the records of a school year of all schools into a file that only you can read, and check it.

    It has their history, disputed marks, double records of merges, and the names of students, classes, sessions and
    schools.
    """
    if drop:
        _confirm(yes=yes)
        run_with(YearArchives, lambda archives: archives.require_droppable(year, system_caller()))
    manifest = run_with(YearArchives, lambda archives: archives.archive(year, path, system_caller()))
    item = ArchiveItem.of(manifest)
    if not item.records:
        days = f"from {item.first_day.isoformat()} to {item.last_day.isoformat()}"
        show_notice(f"no school has records {days}: `adsum year list` shows the years that have records")
    if drop:
        _drop(path)
    show_item(item, as_json=as_json)


@app.command()
def verify(path: Archive, *, as_json: Json = False) -> None:
    """Read every row of an archive, and compare it with the checksums. Nothing else is opened."""
    show_item(ArchiveItem.of(read_archive(path)), as_json=as_json)


@app.command()
def drop(path: Archive, *, yes: Yes = False, as_json: Json = False) -> None:
    """Delete the records of the school year of an archive, which has to have all of them as they are now.

    Disputed marks, double records of merges, plans of batches and summaries of these days go, too, and nothing is
    marked or corrected there any more. Earlier years have to be dropped before. Data of students on hold prevent it.
    """
    _confirm(yes=yes)
    show_item(ArchiveItem.of(_drop(path)), as_json=as_json)


def _drop(path: Path) -> YearManifest:
    manifest = read_archive(path)
    run_with(YearArchives, lambda archives: archives.drop(manifest, system_caller()))
    return manifest


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("a deletion cannot be undone: add --yes")
    if not typer.confirm("Delete the records of this school year permanently?", err=True):
        raise typer.Exit(1)
