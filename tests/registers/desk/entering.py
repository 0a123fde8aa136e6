"""Enters late arrivals and early departures, and reads the marks of the student."""

from __future__ import annotations

from typing import Any

from tests.absences.conftest import Office
from tests.support.api import DAY
from tests.support.installation import ended

HOURS = [("08:00", "08:45"), ("09:00", "09:45"), ("10:00", "10:45"), ("11:00", "11:45")]


async def enter(office: Office, kind: str, time: str, **fields: Any) -> Any:
    body = {"kind": kind, "studentId": office.school.student_ids[0], "date": DAY, "time": time, "reason": "bus"}
    return await office.api.post("/desk-entries", body | fields, "office")


async def settled(office: Office, entry: dict[str, Any]) -> None:
    async with office.worker():
        for run in entry["runs"]:
            await ended(office.adsum, run["batchId"])


async def marks(office: Office) -> dict[int, tuple[Any, ...]]:
    items = (await office.api.get("/attendances", studentId=office.school.student_ids[0])).json()["items"]
    return {each["sessionId"]: (each["status"], each["arrivedAt"], each["leftAt"]) for each in items}
