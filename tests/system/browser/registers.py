"""Registers of class 123 in a browser."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import date, timedelta

from playwright.sync_api import Locator, Page, expect

from tests.system.browser.browsing import Browsing

TEACHER = "teacher@school.example"
OFFICE = "office@school.example"
STUDENTS = 30
PHONE_HEIGHT = 844


def a_day(number: int) -> str:
    """Returns a day that no other test marks: the files share a system, and the others begin in February."""
    return (date(2025, 1, 1) + timedelta(number)).isoformat()


def take(page: Page, day: str) -> Page:
    page.goto(f"/take/123/456/{day}")
    return page


def row(page: Page, student: int) -> Locator:
    return page.locator(f"[data-student='{student}']")


def measured(element: Locator, side: str) -> float:
    box: dict[str, float] = element.evaluate("each => each.getBoundingClientRect().toJSON()")
    return box[side]


def states(page: Page, state: str) -> Locator:
    return page.locator(f"[data-state={state}]")


@contextmanager
def a_failing_student(browsing: Browsing, student: int) -> Generator[None]:
    """The database refuses every record of this student until the block ends."""
    trigger = "CREATE TRIGGER refuse BEFORE INSERT ON attendances WHEN NEW.student_id = {} BEGIN {} END"
    with closing(sqlite3.connect(browsing.system.data / "adsum.db", timeout=30, isolation_level=None)) as database:
        database.execute(trigger.format(student, "SELECT RAISE(ABORT, 'refused');"))
        try:
            yield
        finally:
            database.execute("DROP TRIGGER refuse")


@contextmanager
def a_paused_queue(browsing: Browsing) -> Generator[None]:
    """Submitted marks stay received until the block ends."""
    operator, origin = browsing.requests("operator@school.example"), {"Origin": browsing.system.url}
    assert operator.post("/batches/queue/pause", headers=origin).ok
    try:
        yield
    finally:
        assert operator.post("/batches/queue/resume", headers=origin).ok


def contested_marks(page: Page) -> Locator:
    """The notice that lets the user choose between two marks."""
    return page.get_by_role("alert").filter(has_text="These marks were changed")


def records(browsing: Browsing, day: str) -> dict[int, str]:
    """The statuses of class 123 in the database, by student."""
    statement = "SELECT student_id, status FROM attendances WHERE class_id = 123 AND learning_date = ?"
    with closing(sqlite3.connect(browsing.system.data / "adsum.db", timeout=30)) as database:
        return dict(database.execute(statement, [day]).fetchall())


def sign_in_again(page: Page, browsing: Browsing, email: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Email").fill(email)
    dialog.get_by_label("Password").fill(browsing.system.passwords[email])
    dialog.get_by_role("button", name="Sign in").click()


def save_after_the_office_has_excused_one(browsing: Browsing, day: str) -> tuple[Page, Page]:
    """The page of a teacher who saves student 6 as present, and that of the office, which has saved another mark."""
    teacher, office = take(browsing.visitor(TEACHER), day), take(browsing.visitor(OFFICE), day)
    row(office, 6).get_by_role("radio", name="Excused").check()
    office.keyboard.press("Control+s")
    expect(row(office, 6)).to_have_attribute("data-state", "saved")
    teacher.keyboard.press("0")
    teacher.keyboard.press("Control+s")
    expect(states(teacher, "saved")).to_have_count(STUDENTS)
    return teacher, office
