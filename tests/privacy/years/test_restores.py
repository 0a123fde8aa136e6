"""A dropped year is put back from its archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from adsum.absences.tables import absences
from adsum.accounts.access import Role
from adsum.accounts.audit.tables import audit_entries
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database, open_database
from adsum.platform.errors import Forbidden
from adsum.platform.ids import Batch
from adsum.privacy.retention.rules import Periods
from adsum.privacy.retention.service import Retention
from adsum.privacy.service import StudentData
from adsum.privacy.tables import student_merges
from adsum.privacy.years import archives, restored_rows
from adsum.privacy.years.archive import ArchiveRefused, read_archive
from adsum.privacy.years.repository import restored as statements
from adsum.privacy.years.restores import YearRestores
from adsum.privacy.years.rules import YearKept, YearNotRestored
from adsum.roster.tables import students
from adsum.schools.tables import schools
from tests.privacy.years.site import LATER, NOW, OF_YEAR, OFFICE, Site, archived, dropped, site_on
from tests.privacy.years.test_drops import double, merge_with
from tests.support.commands import Commands
from tests.support.runs import inserts, make_run
from tests.support.schools import caller, make_record, make_school

TABLES = (attendances, attendance_changes, contradictions)


async def contents(site: Site) -> list[list[dict[str, Any]]]:
    return [await site.rows(table) for table in TABLES]


def reasons(error: YearNotRestored) -> list[str]:
    return [each.code for each in error.violations]


async def refused(site: Site, path: Path) -> YearNotRestored:
    """The reasons why an archive is not restored, which changes nothing."""
    before = [await site.rows(table) for table in (*TABLES, schools, audit_entries)]
    with pytest.raises(YearNotRestored) as error:
        await site.restores.restore(path, OFFICE)
    assert [await site.rows(table) for table in (*TABLES, schools, audit_entries)] == before
    return error.value


async def test_a_dropped_year_comes_back_as_it_was(site: Site, tmp_path: Path) -> None:
    before = await contents(site)
    path = await dropped(site, tmp_path)
    assert await contents(site) != before

    year = await site.restores.restore(path, OFFICE)

    assert (year.manifest, year.records, year.left_out) == (read_archive(path), 1, 0)
    assert await contents(site) == before
    assert await site.records_from() == date(2024, 8, 1)
    entry = (await site.rows(audit_entries))[-1]
    assert entry["action"] == "year_restored"
    assert json.loads(entry["after"]).items() >= {"year": 2024, "restored": 1, "leftOut": 0}.items()


async def test_a_restore_that_has_ended_is_not_repeated(site: Site, tmp_path: Path) -> None:
    path = await dropped(site, tmp_path)
    await site.restores.restore(path, OFFICE)
    await site.add(date(2025, 1, 8))
    before = [await site.rows(table) for table in (*TABLES, schools, audit_entries)]

    assert (await site.restores.restore(path, OFFICE)).records == 0

    assert [await site.rows(table) for table in (*TABLES, schools, audit_entries)] == before


async def test_a_restored_year_is_dropped_again_if_the_archive_still_has_all_of_it(site: Site, tmp_path: Path) -> None:
    path = await dropped(site, tmp_path)
    await site.restores.restore(path, OFFICE)
    added = await site.add(date(2025, 1, 8))
    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(read_archive(path), OFFICE)
    async with site.database.transaction() as connection:
        await connection.execute(attendances.delete().where(attendances.c.id == added))

    assert await site.archives.drop(read_archive(path), OFFICE) == 1
    assert await site.count(attendances) == 1
    await site.restores.restore(path, OFFICE)
    assert await site.count(attendances) == 2


async def test_an_interrupted_restore_goes_on(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(2, 9):
        await site.add(date(2025, 1, day))
    await site.correct(site.records[1] + 3)
    before = await contents(site)
    path = await dropped(site, tmp_path)
    add_records, pages = statements.add_records, list[int]()

    async def killed(connection: Any, records: Any, changes: Any) -> int:
        pages.append(len(records))
        if len(pages) == 3:
            raise KeyboardInterrupt
        return await add_records(connection, records, changes)

    monkeypatch.setattr(restored_rows, "PAGE", 3)
    with monkeypatch.context() as patch:
        patch.setattr(statements, "add_records", killed)
        with pytest.raises(KeyboardInterrupt):
            await site.restores.restore(path, OFFICE)
    assert await site.count(attendances) == 7
    assert await site.records_from() == date(2025, 8, 1)
    with monkeypatch.context() as patch:
        patch.setattr("adsum.privacy.years.restores.record", killed)
        with pytest.raises(TypeError):
            await site.restores.restore(path, OFFICE)
    assert await site.records_from() == date(2024, 8, 1)
    assert await site.count(audit_entries, audit_entries.c.action == "year_restored") == 0

    await site.restores.restore(path, OFFICE)

    assert await contents(site) == before
    assert await site.count(audit_entries, audit_entries.c.action == "year_restored") == 1


async def test_reports_summarise_the_restored_days_again(site: Site, tmp_path: Path) -> None:
    batch = Batch(site.school.class_id, site.school.session_id, OF_YEAR)
    async with site.database.transaction() as connection:
        await make_run(connection, site.school, inserts(site.school.student_ids), batch=batch)
        counts = {"recorded_jobs": 3, "skipped_jobs": 0, "failed_jobs": 0, "cancelled_jobs": 0}
        ended = counts | {"state": "closed", "ended_at": NOW, "summarised": True}
        await connection.execute(update(batch_runs).values(ended))
    path = await dropped(site, tmp_path)
    assert await site.count(batch_runs, batch_runs.c.summarised) == 1

    await site.restores.restore(path, OFFICE)

    assert await site.count(batch_runs, batch_runs.c.summarised) == 0


async def test_erased_students_stay_erased(site: Site, tmp_path: Path) -> None:
    others = site.school.student_ids[1]
    batch = Batch(site.school.class_id, site.school.session_id, OF_YEAR)
    async with site.database.transaction() as connection:
        kept = await make_record(connection, site.school.school_id, batch, others)
    path = await dropped(site, tmp_path)
    await StudentData(site.database, lambda: NOW).erase(site.school.student_ids[0], OFFICE)

    year = await site.restores.restore(path, OFFICE)

    assert (year.records, year.left_out) == (1, 1)
    assert [row["id"] for row in await site.rows(attendances)] == [kept]
    assert await site.count(attendance_changes) == await site.count(contradictions) == 0


async def test_a_student_who_is_erased_during_a_restore_ends_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await dropped(site, tmp_path)
    make_partition = YearRestores._make_partition  # pyright: ignore[reportPrivateUsage]

    async def then_erased(restores: YearRestores, manifest: Any) -> None:
        await make_partition(restores, manifest)
        await StudentData(site.database, lambda: NOW).erase(site.school.student_ids[0], OFFICE)

    with monkeypatch.context() as patch:
        patch.setattr(YearRestores, "_make_partition", then_erased)
        with pytest.raises(YearNotRestored, match="run the command again"):
            await site.restores.restore(path, OFFICE)
    assert await site.count(attendances) == 0

    assert (await site.restores.restore(path, OFFICE)).left_out == 1


async def test_records_that_go_during_a_restore_end_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await dropped(site, tmp_path)

    async def erased(restores: YearRestores, _plan: Any) -> None:
        await StudentData(restores._database, lambda: NOW).erase(  # pyright: ignore[reportPrivateUsage]
            site.school.student_ids[0], OFFICE
        )

    with monkeypatch.context() as patch:
        patch.setattr(YearRestores, "_add_others", erased)
        with pytest.raises(YearNotRestored, match="run the command again"):
            await site.restores.restore(path, OFFICE)
    assert await site.records_from() == date(2025, 8, 1)


async def test_records_of_a_merged_student_become_those_of_the_other(site: Site, tmp_path: Path) -> None:
    first, second = site.school.student_ids[:2]
    path = await dropped(site, tmp_path)
    async with site.database.transaction() as connection:
        await connection.execute(update(students).where(students.c.id == first).values(merged_into=second))

    await site.restores.restore(path, OFFICE)

    of_year = [row for row in await site.rows(attendances) if row["learning_date"] == OF_YEAR]
    assert [row["student_id"] for row in of_year] == [second]


async def test_two_records_of_students_who_are_one_since_prevent_a_restore(site: Site, tmp_path: Path) -> None:
    first, second = site.school.student_ids[:2]
    batch = Batch(site.school.class_id, site.school.session_id, OF_YEAR)
    async with site.database.transaction() as connection:
        await make_record(connection, site.school.school_id, batch, second)
        (disputed,) = await site.rows(contradictions)
        del disputed["id"]
        await connection.execute(insert(contradictions).values(disputed | {"student_id": second}))
    path = await dropped(site, tmp_path)
    async with site.database.transaction() as connection:
        await connection.execute(update(students).where(students.c.id == first).values(merged_into=second))

    assert reasons(await refused(site, path)) == ["exists", "exists"]


async def test_double_records_of_merges_come_back_in_their_order(site: Site, tmp_path: Path) -> None:
    await merge_with(site, OF_YEAR, LATER)
    path = await dropped(site, tmp_path)

    await site.restores.restore(path, OFFICE)

    async with site.database.snapshot() as connection:
        assert await connection.scalar(select(student_merges.c.resolved)) == [
            double(site, OF_YEAR),
            double(site, LATER),
        ]
    assert await site.archives.drop(read_archive(path), OFFICE) == 1


async def test_double_records_of_a_merge_that_is_gone_stay_deleted(site: Site, tmp_path: Path) -> None:
    await merge_with(site, OF_YEAR)
    path = await dropped(site, tmp_path)
    async with site.database.transaction() as connection:
        await connection.execute(student_merges.delete())

    assert (await site.restores.restore(path, OFFICE)).records == 1
    assert await site.count(student_merges) == 0


async def test_what_rows_name_and_is_gone_is_left_out_of_them(site: Site, tmp_path: Path) -> None:
    async with site.database.transaction() as connection:
        gone = {"user_id": 999, "key_id": 998, "absence_id": 997}
        await connection.execute(update(attendances).where(attendances.c.id == site.records[0]).values(gone))
        await connection.execute(update(attendance_changes).values(absence_id=997, learning_date=None))
    path = await dropped(site, tmp_path)
    assert await site.count(absences) == 0

    await site.restores.restore(path, OFFICE)

    mark, change = (await site.rows(attendances))[0], (await site.rows(attendance_changes))[0]
    assert [mark[name] for name in ("user_id", "key_id", "absence_id")] == [None, None, None]
    assert (change["absence_id"], change["learning_date"]) == (None, OF_YEAR)


async def test_notes_whose_period_is_over_stay_deleted(site: Site, tmp_path: Path) -> None:
    await merge_with(site, OF_YEAR)
    async with site.database.transaction() as connection:
        await connection.execute(update(attendances).values(note="bus"))
        await connection.execute(update(contradictions).values(note="late bus"))
        await connection.execute(update(student_merges).values(resolved=[double(site, OF_YEAR) | {"kept": {}}]))
    path = await dropped(site, tmp_path)
    await set_periods(site, Periods(notes=1))

    await site.restores.restore(path, OFFICE)

    assert [row["note"] for row in await site.rows(attendances)] == [None, "bus"]
    assert [row["new_note"] for row in await site.rows(attendance_changes)] == [None]
    assert [row["note"] for row in await site.rows(contradictions)] == [None]
    (merge,) = await site.rows(student_merges)
    assert merge["resolved"][0]["history"] == [{"reason": None}]


async def set_periods(site: Site, periods: Periods) -> None:
    retention = Retention(site.database, lambda: NOW)
    preview = await retention.preview(None, periods, OFFICE)
    await retention.set(None, periods, OFFICE, preview.confirmation)


async def test_records_whose_period_is_over_are_not_restored(site: Site, tmp_path: Path) -> None:
    path = await dropped(site, tmp_path)
    await set_periods(site, Periods(records=1))

    error = await refused(site, path)

    assert reasons(error) == ["period_over"]
    assert error.detail.startswith("nothing was restored: schools whose retention period is over")


async def test_a_year_that_was_not_dropped_with_this_archive_is_not_restored(site: Site, tmp_path: Path) -> None:
    await archived(site, tmp_path)
    assert reasons(await refused(site, tmp_path / "2024.tar")) == ["not_dropped"]


async def test_an_archive_of_another_installation_names_everything_that_is_missing(
    unpartitioned: Database, sqlite_url: str, tmp_path: Path
) -> None:
    database = open_database(sqlite_url)
    path = await dropped(await site_on(database), tmp_path)
    await database.close()

    with pytest.raises(YearNotRestored, match="it is of another installation") as error:
        await YearRestores(unpartitioned, lambda: NOW).restore(path, OFFICE)

    assert reasons(error.value) == ["not_dropped", "missing", "missing", "missing"]
    assert error.value.violations[1].detail == "schools that do not exist: 1"


async def test_schools_classes_and_sessions_that_are_missing_are_named(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await dropped(site, tmp_path)

    async def none(*_: object) -> list[int]:
        return [3, 2, 1, 4]

    monkeypatch.setattr(statements, "missing_of", none)
    error = await refused(site, path)

    assert [each.detail for each in error.violations] == [
        f"{name} that do not exist: 1, 2, 3 and 1 more" for name in ("schools", "classes", "sessions")
    ]
    assert error.detail.endswith(", and 2 more")


async def test_rows_that_exist_and_differ_are_named_and_kept(site: Site, tmp_path: Path) -> None:
    path = await dropped(site, tmp_path)
    mark, change, disputed = await archived_rows(path)
    async with site.database.transaction() as connection:
        await connection.execute(insert(attendances).values(mark | {"status": "late"}))
        await connection.execute(insert(attendance_changes).values(change | {"new_status": "late"}))
        await connection.execute(insert(contradictions).values(disputed | {"status": "present"}))

    error = await refused(site, path)

    assert [each.detail for each in error.violations] == [
        f"records that exist and differ: {mark['id']}",
        f"records whose history exists and differs: {mark['id']}",
        f"disputed marks that exist and differ: {disputed['id']}",
    ]


async def archived_rows(path: Path) -> list[dict[str, Any]]:
    return [next(restored_rows.rows_of(path, name)) for name in ("attendances", "attendance_changes", "disputed_marks")]


async def test_rows_in_the_place_of_an_archived_one_are_named(site: Site, tmp_path: Path) -> None:
    path = await dropped(site, tmp_path)
    mark, _, disputed = await archived_rows(path)
    async with site.database.transaction() as connection:
        await connection.execute(insert(attendances).values(mark | {"id": mark["id"] + 1000}))
        await connection.execute(insert(contradictions).values(disputed | {"id": disputed["id"] + 1000}))

    assert reasons(await refused(site, path)) == ["exists", "exists"]


async def test_later_years_go_back_first(site: Site, tmp_path: Path) -> None:
    before = await contents(site)
    path = await dropped(site, tmp_path)
    later = tmp_path / "2025.tar"
    await site.archives.drop(await site.archives.archive(2025, later, OFFICE), OFFICE)
    assert await site.count(attendances) == 0

    error = await refused(site, path)
    assert reasons(error) == ["later_years"]
    for each in (later, path):
        await site.restores.restore(each, OFFICE)

    assert await contents(site) == before
    assert await site.records_from() == date(2024, 8, 1)


async def test_a_school_without_records_is_opened_too_and_one_that_is_added_stays_as_it_is(
    site: Site, tmp_path: Path
) -> None:
    async with site.database.transaction() as connection:
        await make_school(connection)
    path = await dropped(site, tmp_path)
    async with site.database.transaction() as connection:
        await make_school(connection)

    await site.restores.restore(path, OFFICE)

    assert [row["records_from"] for row in await site.rows(schools)] == [date(2024, 8, 1), date(2024, 8, 1), None]


async def test_an_archive_of_a_newer_schema_is_not_restored(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archives, "newest_revision", lambda: "9999")
        path = await dropped(site, tmp_path)

    error = await refused(site, path)
    assert reasons(error) == ["other_schema"]
    assert "9999" in error.detail


async def test_an_archive_with_columns_that_this_version_lacks_is_not_restored(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = archives.RowsFile.write

    def with_colour(file: Any, rows: Any) -> None:
        write(file, [{**row, "colour": "red"} for row in rows])

    with monkeypatch.context() as patch:
        patch.setattr(archives.RowsFile, "write", with_colour)
        path = await dropped(site, tmp_path)

    error = await refused(site, path)
    assert reasons(error) == ["other_schema"] * 3
    assert error.violations[0].detail == "attendances have columns that this version lacks: colour"


async def test_an_archive_of_the_first_format_is_restored(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await contents(site)
    with monkeypatch.context() as patch:
        patch.setattr(archives, "newest_revision", lambda: None)
        path = await dropped(site, tmp_path)
    assert b'"format": 1' in path.read_bytes()
    assert read_archive(path).schema is None

    await site.restores.restore(path, OFFICE)

    assert await contents(site) == before


async def test_a_damaged_archive_is_not_restored(site: Site, tmp_path: Path) -> None:
    path = await dropped(site, tmp_path)
    path.write_bytes(path.read_bytes()[:4000])

    with pytest.raises(ArchiveRefused, match="damaged"):
        await site.restores.restore(path, OFFICE)


async def test_a_change_without_its_record_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await dropped(site, tmp_path)
    rows_in = restored_rows.rows_in

    def without_records(archive: Path, name: str) -> Iterator[dict[str, Any]]:
        return iter(()) if name == "attendances" else rows_in(archive, name)

    monkeypatch.setattr(restored_rows, "rows_in", without_records)

    with pytest.raises(ArchiveRefused, match="a change without its record"):
        await site.restores.restore(path, OFFICE)


async def test_a_file_that_changes_while_it_is_restored_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    path.write_bytes(b"no tar")
    with pytest.raises(ArchiveRefused, match="damaged"):
        next(restored_rows.rows_in(path, "attendances"))
    with pytest.raises(ArchiveRefused, match="cannot be read"):
        next(restored_rows.rows_in(tmp_path / "missing.tar", "attendances"))


async def test_years_of_all_schools_are_restored_with_the_rights_of_all_schools(site: Site, tmp_path: Path) -> None:
    path = await dropped(site, tmp_path)
    for each in (caller(Role.OFFICE, site.school.school_id), caller(Role.OPERATOR)):
        with pytest.raises(Forbidden):
            await site.restores.restore(path, each)


def test_every_day_and_time_of_a_restored_row_is_read_as_such() -> None:
    for table in TABLES:
        types = {column.name: column.type.python_type.__name__ for column in table.c}
        assert {name for name, kind in types.items() if kind == "date"} <= set(restored_rows.DAYS)
        assert {name for name, kind in types.items() if kind == "datetime"} <= set(restored_rows.TIMES)


def test_a_year_is_restored_by_a_command(demo: Commands, tmp_path: Path) -> None:
    path = str(tmp_path / "2019.tar")
    demo.output("year", "archive", "2019", path)
    refused = demo.run("year", "restore", path)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "the audit log has no drop of this archive" in refused.stderr
    demo.output("year", "drop", path, "--yes")

    made = json.loads(demo.output("year", "restore", path, "--json"))

    assert (made["year"], made["records"], made["restoredRecords"], made["leftOutRecords"]) == (2019, 0, 0, 0)
