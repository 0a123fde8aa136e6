"""The pages of batches in a browser: running batches, failures with reasons, and actions by role."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from adsum.platform.settings import Settings
from adsum.wiring import open_queue_control
from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits
from tests.system.browser.running_system import RunningSystem

OPERATOR = "operator@school.example"
OFFICE = "office@school.example"
PATIENCE_MS = 60_000


def batch_of(day: str) -> str:
    year, month, number = day.split("-")
    return f"class-123-session-456-date-{number}{month}{year}"


def send(system: RunningSystem, day: str) -> None:
    """Marks class 123 on a day over HTTP as its office."""
    form = {"username": OFFICE, "password": system.passwords[OFFICE]}
    token = httpx2.post(f"{system.url}/auth/token", data=form).json()["access_token"]
    body = {"classId": 123, "sessionId": 456, "learningDate": day, "isSelectedAll": True}
    headers = {"Authorization": f"Bearer {token}"}
    body |= {"selectedStudentIds": [], "unselectedStudentIds": [4, 5]}
    assert httpx2.post(f"{system.url}/attendances/create-batch", json=body, headers=headers).status_code == 202


async def set_paused(system: RunningSystem, is_paused: bool) -> None:
    async with open_queue_control(Settings(data_dir=system.data)) as control:
        await (control.pause() if is_paused else control.resume())


@contextlib.contextmanager
def paused(system: RunningSystem) -> Generator[None]:
    """Pauses the queue until the block ends. (Runs in a thread, since Playwright's event loop runs in this one.)"""
    with ThreadPoolExecutor() as threads:
        threads.submit(asyncio.run, set_paused(system, is_paused=True)).result()
        try:
            yield
        finally:
            threads.submit(asyncio.run, set_paused(system, is_paused=False)).result()


def kill_workers(system: RunningSystem) -> None:
    """Kills workers by process id; `adsum up` starts new ones."""

    async def worker_names() -> list[str]:
        async with open_queue_control(Settings(data_dir=system.data)) as control:
            return [worker.name for worker in await control.workers()]

    with ThreadPoolExecutor() as threads:
        for name in threads.submit(asyncio.run, worker_names()).result():
            os.kill(int(name.rpartition(":")[2]), signal.SIGKILL)


def enrol_until(system: RunningSystem, day: str | None) -> None:
    """Sets or removes the last day of students 7 and 11 in class 123."""
    with contextlib.closing(sqlite3.connect(system.data / "adsum.db", timeout=30)) as database, database:
        of_two = "WHERE class_id = 123 AND student_id IN (7, 11)"
        database.execute(f"UPDATE enrolments SET end_date = ? {of_two}", (day,))


def fail_two(page: Page, system: RunningSystem, day: str) -> None:
    """Creates a batch of the day in which two students failed, who are enrolled again after its end."""
    with paused(system):
        send(system, day)
        enrol_until(system, "2024-09-03")
    see_the_end(page, day)
    enrol_until(system, None)


def see_the_end(page: Page, day: str) -> None:
    """Opens the page of the batch and waits until it has ended."""
    page.goto(f"/batches/{batch_of(day)}")
    expect(page.locator(".timeline .ended")).to_be_visible(timeout=PATIENCE_MS)


def assert_good(page: Page) -> None:
    assert_accessible(page)
    assert_fits(page)


@pytest.mark.long
def test_a_running_batch_is_shown_until_its_end_although_servers_die_meanwhile(browsing: Browsing) -> None:
    system = browsing.system
    with paused(system):
        page = browsing.visitor(OPERATOR)
        page.goto("/batches")
        expect(page.get_by_text("The queue is paused")).to_be_visible()
        send(system, "2025-02-03")
        running = page.get_by_role("progressbar", name=f"Progress of {batch_of('2025-02-03')}")
        expect(running).to_be_visible(timeout=PATIENCE_MS)
        assert_good(page)
        kill_workers(system)
        with Redis(unix_socket_path=str(system.data / "valkey.sock")) as redis:
            os.kill(int(redis.info()["process_id"]), signal.SIGKILL)  # pyright: ignore[reportUnknownMemberType]
        one = browsing.visitor(OPERATOR)
        one.goto(f"/batches/{batch_of('2025-02-03')}")
        expect(one.get_by_text("30 students are not processed yet.")).to_be_visible(timeout=PATIENCE_MS)
        assert_good(one)
    expect(running).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.get_by_text("The queue is paused")).to_be_hidden()
    expect(one.get_by_text("30 of 30 recorded")).to_be_visible(timeout=PATIENCE_MS)
    expect(one.locator(".timeline").get_by_text("Completed", exact=True)).to_be_visible()
    expect(one.locator(".timeline .ended")).to_contain_text(re.compile(r"Worker \S+:\d+"))


@pytest.mark.long
def test_an_operator_sees_why_students_failed_but_not_who_they_are_and_retries_them(browsing: Browsing) -> None:
    system, day = browsing.system, "2025-02-04"
    page = browsing.visitor(OPERATOR, color_scheme="dark")
    fail_two(page, system, day)
    page.goto("/batches")
    why = page.get_by_role("row").filter(has_text="2 of 30").filter(has_text="no longer enrolled on that day")
    why.get_by_role("link").click()
    expect(page.get_by_role("rowheader", name="7", exact=True)).to_be_visible()
    expect(page.get_by_text("Gabriel")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Requested")).to_have_count(0)
    expect(page.get_by_text("Undo…")).to_have_count(0)
    assert_good(page)
    page.get_by_text("Retry failed…").click()
    page.get_by_role("button", name="Retry failed", exact=True).click()
    expect(page.get_by_text("2 students are retried.")).to_be_visible()
    expect(page.get_by_text("30 of 30 recorded")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".timeline").get_by_text("Retry accepted")).to_be_visible()
    refused = page.evaluate(
        "path => fetch(path, {method: 'POST'}).then(answer => answer.status)", f"/batches/{batch_of(day)}/undo"
    )
    assert refused == 403


def test_the_office_sees_failed_marks_first_with_names_and_retries_them(browsing: Browsing) -> None:
    system, day = browsing.system, "2025-02-11"
    page = browsing.visitor(OFFICE)
    fail_two(page, system, day)
    page.goto(f"/overview?date={day}")
    urgent = page.locator(".urgent")
    expect(page.locator("[data-live] h2").first).to_have_text("Marks that could not be saved")
    expect(urgent.get_by_role("link", name="Gabriel")).to_be_visible()
    expect(urgent.get_by_role("link", name="Keanu")).to_be_visible()
    expect(urgent).to_contain_text("no longer enrolled on that day")
    assert_good(page)
    urgent.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("status").filter(has_text="Retrying the failed marks")).to_be_visible()
    expect(urgent).to_have_count(0, timeout=PATIENCE_MS)


@pytest.mark.long
def test_an_operator_pauses_and_resumes_the_queue_and_a_teacher_sees_only_own_submissions(browsing: Browsing) -> None:
    system, day = browsing.system, "2025-02-12"
    operator = browsing.visitor(OPERATOR)
    operator.goto("/batches")
    operator.get_by_text("Pause the queue…").click()
    operator.get_by_role("button", name="Pause the queue", exact=True).click()
    try:
        expect(operator.get_by_text("The queue is paused")).to_be_visible()
        expect(operator.get_by_text("paused", exact=False).first).to_be_visible()
        send(system, day)
        first = operator.locator("#all ~ .scroll tbody tr").first
        operator.reload()
        expect(first).to_contain_text("Paused")
        expect(first).to_contain_text("Feb 12, 2025")
        assert_good(operator)
        teacher = browsing.visitor("teacher@school.example")
        teacher.goto("/batches")
        expect(teacher.get_by_role("heading", level=1)).to_have_text("Your submissions")
        expect(teacher.get_by_role("img")).to_have_count(0)
        expect(teacher.get_by_text("Feb 12, 2025")).to_have_count(0)
        refused = teacher.request.post("/batches/queue/resume", headers={"Origin": system.url})
        assert refused.status == 403
        assert_good(teacher)
    finally:
        operator.get_by_role("button", name="Resume the queue").click()
    expect(operator.get_by_text("The queue is paused")).to_have_count(0)
    see_the_end(operator, day)


@pytest.mark.long
def test_an_office_cancels_a_waiting_batch_and_undoes_a_wrong_one_on_a_phone(browsing: Browsing) -> None:
    system, waiting, mistaken = browsing.system, "2025-02-05", "2025-02-06"
    send(system, mistaken)
    page = browsing.visitor(OFFICE, **PHONE)
    with paused(system):
        send(system, waiting)
        page.goto(f"/batches/{batch_of(waiting)}")
        page.get_by_text("Cancel…").click()
        page.get_by_role("button", name="Cancel this batch").click()
        expect(page.get_by_text("Cancelled: 30 students were not recorded. Existing records stay.")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_have_attribute("value", "0")
        expect(page.get_by_role("link", name="Take register")).to_have_attribute("href", f"/take/123/456/{waiting}")
        assert_good(page)
    see_the_end(page, mistaken)
    expect(page.get_by_role("rowheader", name="Amara Okafor")).to_be_visible()
    page.get_by_text("Undo…").click()
    page.get_by_label("Reason").fill("the wrong class")
    assert_good(page)
    page.get_by_role("button", name="Undo these marks").click()
    expect(page.get_by_text("Undone: 30 records were restored.")).to_be_visible()
    expect(page.locator(".timeline .undone")).to_contain_text("office@school.example")
    expect(page.locator(".timeline .ended b")).to_have_text("Completed")
    expect(page.get_by_text("Undone on")).to_be_visible()
    expect(page.get_by_text("Undo…")).to_have_count(0)
    expect(page.get_by_role("link", name="Take register")).to_have_attribute("href", f"/take/123/456/{mistaken}")
    assert_good(page)
    page.goto("/batches?state=undone")
    expect(page.locator("#all ~ .scroll tbody tr")).to_have_count(1)
    expect(page.locator("#all ~ .scroll tbody tr")).to_contain_text("Undone")
    page.goto("/batches")
    assert_good(page)


@pytest.mark.long
def test_filters_keep_their_input_and_work_without_scripts(browsing: Browsing) -> None:
    send(browsing.system, "2025-02-07")
    page = browsing.visitor(OPERATOR, java_script_enabled=False)
    page.goto("/batches?from=25/12/2024")
    expect(page.get_by_text("A day, such as 2024-12-25")).to_be_visible()
    expect(page.get_by_label("From")).to_have_value("25/12/2024")
    expect(page.get_by_role("link", name="Show the current state")).to_be_visible()
    page.goto("/batches")
    page.get_by_label("Class number").fill("124")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("No batch matches these filters.")).to_be_visible()
    expect(page.get_by_label("Class number")).to_have_value("124")
    page.get_by_label("Class number").fill("123")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("link", name="Class 123 · session 456").first).to_be_visible()


@pytest.mark.long
def test_a_batch_of_another_school_is_not_found(browsing: Browsing) -> None:
    send(browsing.system, "2025-02-10")
    page = browsing.visitor("teacher@contoso.example")
    page.goto(f"/batches/{batch_of('2025-02-10')}")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    page.goto("/batches")
    expect(page.get_by_text("You have not sent a register yet.")).to_be_visible()
