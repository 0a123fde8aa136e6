"""A class as large as an assembly, brought in as any other: by a roster."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2

from tests.roster.files import a_school, in_folder
from tests.system.browser.running_system import RunningSystem

LARGE = 1_200


@dataclass(frozen=True, slots=True)
class LargeClass:
    """Where its register is."""

    class_id: int
    session_id: int


def import_large_class(system: RunningSystem) -> LargeClass:
    """Makes a school of one class, of `LARGE` students."""
    folder = in_folder(a_school(students=LARGE).files(), system.data / "large")
    system.commands.output("roster", "import", str(folder), "--json")
    token = system.commands.output("token", "create", "admin@school.example").strip()
    with httpx2.Client(base_url=system.url, headers={"Authorization": f"Bearer {token}"}) as client:
        newest = max(client.get("/classes", params={"limit": 200}).json()["items"], key=lambda each: each["id"])
        (session, *_) = client.get("/sessions", params={"classId": newest["id"]}).json()["items"]
    return LargeClass(newest["id"], session["id"])
