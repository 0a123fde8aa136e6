"""A role of the database that cannot change tables, with the rights that the guide gives it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from adsum import wiring
from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.sealing import Sealing
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.database.engine import Database, StorageOutage, open_database
from adsum.platform.keys import KeyRing
from adsum.platform.settings import Settings
from tests.support.application import running_app
from tests.support.frame import SECRET
from tests.support.live import ROOT

PASSWORD = "violet kettle drum"
GUIDE = ROOT / "docs" / "how-to" / "run-in-production.md"


def documented(role: str, database: str) -> list[str]:
    """The statements of the guide, for another role and database."""
    (block,) = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    named = block.replace("adsum_serve", role).replace("DATABASE adsum ", f"DATABASE {database} ")
    return [statement for statement in named.split(";") if statement.strip()]


@pytest.fixture
async def settings(postgres_url: str, redis_url: str) -> AsyncGenerator[Settings]:
    owner, url = open_database(postgres_url), make_url(postgres_url)
    assert url.database is not None
    role = f"serve_{url.database}"
    await run(owner, *documented(role, url.database))
    await wiring.load_demo(Settings(database_url=postgres_url))
    try:
        yield Settings(
            database_url=url.set(username=role).render_as_string(hide_password=False),
            redis_url=redis_url,
            secret_key=SecretStr(SECRET),
        )
    finally:
        await run(owner, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
        await owner.close()


async def run(database: Database, *statements: str) -> None:
    for statement in statements:
        async with database.transaction() as connection:
            await connection.exec_driver_sql(statement)


async def assert_changes_no_structure(database: Database) -> None:
    for statement in (
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "TRUNCATE audit_entries",
        "DROP TABLE attendances",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE mine (id bigint)",
    ):
        with pytest.raises(StorageOutage) as refused:
            await run(database, statement)
        assert re.search("permission denied|must be owner", str(refused.value.__cause__)), statement


async def test_it_serves_and_cannot_touch_the_audit_log(settings: Settings) -> None:
    await wiring.require_current_schema(settings)
    async with running_app(settings) as app:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://adsum.example") as client:
            password = (await app.state.adsum.accounts.set_password("admin@school.example", PASSWORD)).password
            form = {"username": "admin@school.example", "password": password}
            token = (await client.post("/auth/token", data=form)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            batch = {"classId": 123, "sessionId": 456, "learningDate": "2024-12-25", "isSelectedAll": True}
            accepted = await client.post("/attendances/create-batch", json=batch)
            answers = [
                accepted,
                await client.get("/students/1/data"),
                await client.delete("/students/40"),
                await client.get("/audit"),
                await client.get("/classes"),
            ]
        database = app.state.adsum.database
        sealed = await Sealing(database, ChainKeys(KeyRing.of(SECRET))).seal()
        await assert_changes_no_structure(database)
    assert [each.status_code for each in answers] == [202, 200, 200, 200, 200]
    assert sealed > 5
    async with open_doctor(settings) as doctor:
        found = {each.check: each.severity.value for each in (await doctor.check()).findings}
    assert (found["database"], found["migrations"], found["audit"]) == ("ok", "ok", "ok")
