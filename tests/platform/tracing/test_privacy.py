"""No span contains a name, a note, an email, a token, a path or a query."""

from __future__ import annotations

from sqlalchemy import update

from adsum.roster.tables import students
from tests.platform.tracing.conftest import Traced, until


async def test_traces_hold_no_personal_data(traced: Traced) -> None:
    api = traced.api
    student = api.school.student_ids[0]
    async with traced.adsum.database.transaction() as connection:
        await connection.execute(update(students).values(given_name="Augusta"))
    api.client.headers["User-Agent"] = "Phone of Byron"
    api.client.headers["baggage"] = "user=annabella"
    await api.create(marks=[{"studentId": student, "status": "late", "note": "overslept"}])
    await api.create(marks=[{"studentId": student, "status": "a status of mine"}], learningDate="2024-12-24")
    await api.get("/attendances", onBehalfOf="augusta@school.example")
    await api.get("/no/such/page/of/milbanke")
    await api.get("/batches/class-1-session-augusta")
    async with traced.working():
        await until(lambda: traced.collector.named("release"))
    await until(lambda: len([span for span in traced.collector.spans if span.kind == 2]) == 5)
    exported = b"\n".join(traced.collector.bodies)
    assert b"release" in exported
    token = api.tokens["office"].encode()
    names = b"Augusta augusta Byron annabella overslept mine milbanke school.example 127.0.0.1".split()
    assert [word for word in (*names, token) if word in exported] == []
