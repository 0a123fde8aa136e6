"""A class of 1,200 students, imported from a roster."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2

from tests.roster.files import a_school, in_folder
from tests.system.browser.running_system import RunningSystem

LARGE = 1_200


@dataclass(frozen=True, slots=True)
class LargeClass:
    """The ids that address its register."""

    class_id: int
    session_id: int


def import_large_class(system: RunningSystem) -> LargeClass:
    """Imports a school with one class of `LARGE` students."""
    folder = in_folder(a_school(students=LARGE).files(), system.data / "large")
    system.commands.output_of_import("roster", "import", str(folder), "--json")
    token = system.commands.output("token", "create", "admin@school.example").strip()
    with httpx2.Client(base_url=system.url, headers={"Authorization": f"Bearer {token}"}) as client:
        newest = max(client.get("/classes", params={"limit": 200}).json()["items"], key=lambda each: each["id"])
        (session, *_) = client.get("/sessions", params={"classId": newest["id"]}).json()["items"]
    return LargeClass(newest["id"], session["id"])
