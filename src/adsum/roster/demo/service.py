"""The demo data of a new data folder: class 123, two larger schools from OneRoster files, and logins."""

from __future__ import annotations

import csv
from pathlib import Path

from adsum.accounts.access import Role, system_caller
from adsum.accounts.passwords.hashing import generated_password
from adsum.accounts.rules import EmailTaken
from adsum.accounts.service import Accounts, NewLogin
from adsum.platform.database.engine import Database
from adsum.roster.demo import repository as statements
from adsum.roster.importing.rules import ImportOptions
from adsum.roster.importing.service import RosterImport
from adsum.roster.oneroster.files import roster_files

DATA = Path(__file__).parent / "data"
TEACHER = "teacher@school.example"
PEOPLE = {
    "admin@school.example": Role.ADMIN,
    "office@school.example": Role.OFFICE,
    TEACHER: Role.TEACHER,
    "viewer@school.example": Role.VIEWER,
    "operator@school.example": Role.OPERATOR,
}
# A teacher of the OneRoster files, who teaches Algebra at Contoso High School.
IMPORTED_TEACHER = "teacher@contoso.example"
IMPORTED_SCHOOL = "10001"
IMPORTED_SCHOOLS = (IMPORTED_SCHOOL, "10002")
IMPORTED_SOURCE = "14001"


async def load_demo(
    database: Database, roster_import: RosterImport, accounts: Accounts, time_zone: str
) -> dict[str, str]:
    """Creates the missing demo data; returns the password of each email. The passwords are new each time.

    Safe to repeat after a crash.
    """
    school_id = await _demo_school(database, time_zone)
    with roster_files(DATA / "oneroster") as files:
        await roster_import.run(files, caller=system_caller(), options=ImportOptions(time_zone=time_zone))
    async with database.transaction() as connection:
        await statements.open_every_day(connection, school_id, IMPORTED_SCHOOLS)
    async with database.snapshot() as connection:
        imported_school_id = await statements.school_of_source(connection, IMPORTED_SCHOOL)
    logins = {
        email: await _login(accounts, email, role, None if role is Role.ADMIN else school_id, None)
        for email, role in PEOPLE.items()
    }
    logins[IMPORTED_TEACHER] = await _login(
        accounts, IMPORTED_TEACHER, Role.TEACHER, imported_school_id, IMPORTED_SOURCE
    )
    async with database.transaction() as connection:
        await statements.assign_teacher(connection, logins[TEACHER].user.id)
    return {email: login.password for email, login in logins.items()}


async def _demo_school(database: Database, time_zone: str) -> int:
    with (DATA / "students.csv").open(encoding="utf-8", newline="") as file:
        names = [(row["givenName"], row["familyName"]) for row in csv.DictReader(file)]
    async with database.transaction() as connection:
        school_id = await statements.school_of_class(connection, statements.CLASS_ID)
        if school_id is None:
            school_id = await statements.create_demo_class(connection, time_zone, names)
            if database.is_postgres:
                await statements.advance_sequences(connection)
        return school_id


async def _login(accounts: Accounts, email: str, role: Role, school_id: int | None, teacher: str | None) -> NewLogin:
    # Given, so that it is no first password: it stays in the data folder, and works more than once.
    password = generated_password()
    try:
        return await accounts.add_user(email, role, school_id=school_id, teacher=teacher, password=password)
    except EmailTaken:
        return await accounts.set_password(email, password)
