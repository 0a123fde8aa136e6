"""The first step of an import: which schools it is about, whether the caller may, and adding those that are new."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from adsum.accounts.access import Caller
from adsum.platform.database.engine import Connection
from adsum.platform.days import today_in
from adsum.platform.errors import Forbidden, Violation
from adsum.roster.importing import schools as statements
from adsum.roster.importing.orgs import FILE, Orgs
from adsum.roster.importing.report import TableReport
from adsum.roster.importing.schools import ImportSchool
from adsum.roster.oneroster.violations import row_violation


async def set_schools(
    connection: Connection, orgs: Orgs, named: Collection[str], caller: Caller, now: datetime, time_zone: str
) -> TableReport:
    """Adds and renames schools, says to the statements what the import is about, and fills in `orgs.ids`.

    Args:
        connection: of the import's transaction.
        orgs: what orgs.csv says.
        named: orgs that other files name, where orgs.csv does not hold all.
        caller: who imports; of schools that are not theirs nothing is seen.
        now: the present moment.
        time_zone: of schools that are new.

    Raises:
        Forbidden: orgs.csv holds a school that is not the caller's; a violation for each.
    """
    sources = {*orgs.schools, *orgs.gone, *named}
    known = {school.source_id: school for school in await statements.schools_of(connection, sources)}
    _refuse_others(orgs, known, caller)
    new = [(source, org.name) for source, org in orgs.schools.items() if source not in known]
    renamed = [org for source, org in orgs.schools.items() if source in known and known[source].name != org.name]
    await statements.add_schools(connection, new, time_zone)
    for org in renamed:
        await statements.rename_school(connection, known[org.source_id].id, org.name)
    schools = [school for school in await statements.schools_of(connection, sources) if _is_of(caller, school)]
    orgs.ids = {school.source_id: school.id for school in schools if school.source_id not in orgs.gone}
    today = [(school.id, today_in(school.time_zone, now), school.source_id in orgs.gone) for school in schools]
    await statements.stage_schools(connection, today)
    return TableReport(len(new), len(renamed), unchanged=len(orgs.schools) - len(new) - len(renamed))


def _refuse_others(orgs: Orgs, known: Mapping[str, ImportSchool], caller: Caller) -> None:
    """Whoever is confined to schools learns nothing of others, not even whether they are there."""
    if caller.schools is None:
        return
    rows = {**{source: org.row for source, org in orgs.schools.items()}, **orgs.gone}
    violations: list[Violation] = []
    for source, row in rows.items():
        school = known.get(source)
        if school is None or not _is_of(caller, school):
            detail = f"school {source} is not one of yours"
            violations.append(row_violation("not_your_school", FILE, row, detail, column="sourcedId", org=source))
    if violations:
        raise Forbidden("these files are about schools that are not yours", violations)


def _is_of(caller: Caller, school: ImportSchool) -> bool:
    return caller.schools is None or school.id in caller.schools
