"""The school of every system: classes of 30 with a session each, and one big class. Created once, then copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import insert

from adsum import wiring
from adsum.accounts.access import Role
from adsum.operations.migrations import tables
from adsum.platform.settings import load_settings
from benchmarks.servers import Servers, connected
from benchmarks.sizes import Size
from benchmarks.timetable import BIG_CLASS, students_of
from tests.support.schools import TERM_BEGINS, make_bare_school, make_user

KEY = "k" * 64
EMAIL = "platform@school.example"
OURS, PEERS, EMBEDDED = "our_template", "peer_template", "template.db"

PEER_SCHEMA = """
    CREATE TABLE enrolments (class_id bigint, student_id integer, PRIMARY KEY (class_id, student_id));
    CREATE TABLE attendances (
        id bigserial PRIMARY KEY,
        student_id bigint NOT NULL,
        session_id bigint NOT NULL,
        learning_date date NOT NULL,
        class_id bigint NOT NULL,
        status text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (session_id, learning_date, student_id)
    );
"""


def _classes(size: Size) -> Iterator[tuple[int, range]]:
    for class_id in (*range(1, size.classes + 1), BIG_CLASS):
        yield class_id, students_of(class_id, size.big)


async def make_our_school(servers: Servers, size: Size) -> str:
    """Creates the template database `OURS` on Postgres. Returns a token."""
    servers.postgres.run(f"CREATE DATABASE {OURS}")
    return await _fill_ours(servers.postgres.url(OURS), servers.folder, size)


async def make_our_embedded_school(servers: Servers, size: Size) -> str:
    """Creates the template file `EMBEDDED` on SQLite. Returns a token."""
    return await _fill_ours(f"sqlite:///{servers.folder / EMBEDDED}", servers.folder, size)


async def _fill_ours(database_url: str, folder: Path, size: Size) -> str:
    settings = load_settings(database_url=database_url, redis_url=f"unix://{folder}/none", secret_key=KEY)
    await wiring.migrate(settings)
    async with wiring.open_adsum(settings) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_bare_school(connection)
            classes = list(_classes(size))
            people = [student for _, students in classes for student in students]
            rows = {
                tables.classes: [{"id": c, "school_id": school, "title": f"Class {c}"} for c, _ in classes],
                tables.sessions: [{"id": c, "class_id": c, "title": "Attendance"} for c, _ in classes],
                tables.students: [
                    {"id": s, "school_id": school, "given_name": f"Given {s}", "family_name": "Family"} for s in people
                ],
                tables.enrolments: [
                    {"class_id": c, "student_id": s, "begin_date": TERM_BEGINS} for c, group in classes for s in group
                ],
            }
            for table, listed in rows.items():
                await connection.execute(insert(table), listed)
            await make_user(connection, Role.ADMIN, email=EMAIL)
        return (await adsum.tokens.create(EMAIL)).text


async def make_peer_school(servers: Servers, size: Size) -> None:
    """Creates the template database `PEERS` with the seed's two tables."""
    servers.postgres.run(f"CREATE DATABASE {PEERS}")
    connection = await connected(servers, PEERS)
    try:
        await connection.execute(PEER_SCHEMA)
        enrolled = [(class_id, student) for class_id, students in _classes(size) for student in students]
        await connection.copy_records_to_table("enrolments", records=enrolled, columns=["class_id", "student_id"])
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
