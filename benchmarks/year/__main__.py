"""`python -m benchmarks.year`: measures each report of a school year with 2,000 students."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

from adsum import wiring
from adsum.accounts.access import PERMISSIONS, Caller, Role, system_caller
from adsum.attendance.rules import RecordFilters
from adsum.attendance.schemas import rows_of_cells
from adsum.platform.files.csv_export import csv_lines
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.platform.settings import load_settings
from adsum.reports.rules import DEFAULT_CHRONIC_RULE, GroupBy, Scope
from adsum.reports.service import Summaries
from adsum.schools.stale_days import mark_stale_days
from adsum.wiring import Adsum
from benchmarks.machine import machine
from benchmarks.servers import started_servers
from benchmarks.year.school import Year, make_year

TIMES = 30
Report = Callable[[], Awaitable[object]]


def main() -> int:
    """Measures both databases, one after the other."""
    with started_servers() as servers:
        servers.postgres.run("CREATE DATABASE year")
        urls = {"Postgres": servers.postgres.url("year"), "SQLite": f"sqlite:///{servers.folder / 'year.db'}"}
        for name, url in urls.items():
            print(f"\n{name}")
            asyncio.run(measure_database(url, servers.folder))
    print(f"\n{machine()}")
    return 0


async def measure_database(url: str, folder: Path) -> None:
    """Creates the year in an empty database, and prints one line per measurement."""
    settings = load_settings(database_url=url, redis_url=f"unix://{folder}/none", secret_key="k" * 64)
    await wiring.migrate(settings)
    async with wiring.open_adsum(settings) as adsum:
        began = time.monotonic()
        year = await make_year(adsum.database)
        _line("created by the generator", f"{time.monotonic() - began:.1f} s")
        if adsum.database.is_postgres:
            async with adsum.database.autocommit_read() as connection:
                await connection.exec_driver_sql("VACUUM ANALYZE")
        await _summarise(adsum, year)
        for name, report in _reports(adsum, year).items():
            await _measure(name, report)
        await _export(adsum, year)


async def _summarise(adsum: Adsum, year: Year) -> None:
    summaries = Summaries(adsum.database)
    began = time.monotonic()
    days = await summaries.refresh(year.school_id)
    _line(f"all of its {days} days summarised once", f"{time.monotonic() - began:.1f} s")

    async def one_day() -> None:
        async with adsum.database.transaction() as connection:
            await mark_stale_days(connection, year.school_id, (year.days[-1], year.days[-1]))
        await summaries.refresh(year.school_id)

    await _measure("one day summarised again", one_day)


def _reports(adsum: Adsum, year: Year) -> dict[str, Report]:
    whole = Scope(year.school_id, year.days[0], year.days[-1])
    of_class = Scope(year.school_id, year.days[0], year.days[-1], year.class_id)
    office, page, rule = system_caller(), PageRequest(limit=MAX_LIMIT), DEFAULT_CHRONIC_RULE
    teacher = Caller(Role.TEACHER, PERMISSIONS[Role.TEACHER], year.teacher_id, None, frozenset({year.school_id}))
    reports = adsum.reports
    rates = {f"rates of the year by {by.value}": lambda by=by: reports.rates(whole, by, office, page) for by in GroupBy}
    return {
        **rates,
        "rates of a class by student": lambda: reports.rates(of_class, GroupBy.STUDENT, office, page),
        "the same, to its teacher": lambda: reports.rates(of_class, GroupBy.STUDENT, teacher, page),
        "chronic absence": lambda: reports.chronic(whole, rule, office, page),
        "absences in a row": lambda: reports.streaks(whole, 2, office, page),
        "unexplained absences": lambda: reports.unexplained(whole, office, page),
        "one student's year": lambda: reports.student(whole, 77, rule, office),
    }


async def _measure(name: str, report: Report) -> None:
    await report()
    milliseconds: list[float] = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await report()
        milliseconds.append((time.perf_counter() - began) * 1000)
    _line(name, f"p50 {median(milliseconds):.0f} ms, p95 {quantiles(milliseconds, n=20)[-1]:.0f} ms")


async def _export(adsum: Adsum, year: Year) -> None:
    """Exports one month as CSV, and measures the growth of the process."""
    filters = RecordFilters(first_day=year.days[20], last_day=year.days[40])
    before, peak, records, began = _resident(), 0, 0, time.monotonic()
    async for rows in rows_of_cells(await adsum.records.export(system_caller(), filters, "csv")):
        csv_lines(rows)
        records += len(rows)
        peak = max(peak, _resident())
    _line(
        f"one month as CSV, {records:,} records",
        f"{time.monotonic() - began:.1f} s, memory grew by {max(0, peak - before) / 2**20:.0f} MB",
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _line(name: str, value: str) -> None:
    print(f"  {name:<44} {value}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
