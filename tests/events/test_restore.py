"""After a backup was restored, no event gets an id that a lost event had, and cursors of lost events are refused."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from adsum.accounts.access import Role, system_caller
from adsum.events import announcements
from adsum.events.announcements import UnexplainedStudents
from adsum.events.rules import EventFilters, last_id_after_restore
from adsum.events.service import EventFeed, EventNumbering, EventPruning
from adsum.events.tables import event_log
from adsum.events.webhooks import delivery
from adsum.events.webhooks.service import WebhookWithSecret
from adsum.events.webhooks.tables import webhooks
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import events
from adsum.platform.embedded.data_folder import DataFolder
from adsum.wiring import Adsum
from tests.events.test_feed import read
from tests.events.webhooks.conftest import NOW, Receiver, deliver, happen, receiver, settings, webhook
from tests.support.api import Api
from tests.support.commands import commands

__all__ = ["receiver", "settings", "webhook"]


async def restore(adsum: Adsum, last_id: int) -> None:
    """Takes the log back to an earlier end, as a restore of a backup does."""
    async with adsum.database.transaction() as connection:
        await connection.execute(delete(events).where(events.c.id > last_id))
        await connection.execute(update(event_log).values(last_id=last_id))
    await adsum.event_numbering.skip_ids(NOW)


@pytest.fixture
async def district(api: Api) -> Api:
    await api.sign_in(Role.ADMIN, None)
    api.tokens["district"] = api.tokens["admin"]
    return api


async def test_a_cursor_of_a_lost_event_is_refused_with_the_one_from_which_to_go_on(district: Api) -> None:
    await happen(district.adsum, range(5))
    await restore(district.adsum, 3)
    await happen(district.adsum, [7])

    refused = await district.get("/events", "district", after="5")

    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.GONE, "events_restored")
    assert refused.json()["params"] == {"kept": 3}
    following = await read(district, after="3")
    assert [each["data"]["added"] for each in following["items"]] == [7]
    assert following["items"][0]["id"] > 1_000_000_000_000
    assert (await read(district, after="2"))["items"][0]["id"] == 3


async def test_a_reader_that_had_read_everything_before_the_backup_goes_on(district: Api) -> None:
    await happen(district.adsum, range(3))
    cursor = (await read(district, after="latest"))["nextCursor"]
    await restore(district.adsum, 3)

    after_restore = await read(district, after=cursor)
    await happen(district.adsum, [7])

    assert after_restore["items"] == []
    found = await read(district, after=after_restore["nextCursor"])
    assert [each["data"]["added"] for each in found["items"]] == [7]


async def test_an_empty_log_and_a_pruned_one_refuse_the_cursors_of_lost_events(adsum: Adsum, district: Api) -> None:
    await happen(adsum, range(3))
    async with adsum.database.transaction() as connection:
        await connection.execute(delete(event_log))
        await connection.execute(delete(events))
    await adsum.event_numbering.skip_ids(NOW)
    empty = await district.get("/events", "district", after="2")
    await happen(adsum, [4])
    await EventPruning(adsum.database, lambda: NOW + timedelta(days=1), keep=timedelta(hours=1)).prune_if_due()
    pruned = await district.get("/events", "district", after="2")

    assert (empty.json()["code"], empty.json()["params"]) == ("events_restored", {"kept": 0})
    assert pruned.json()["code"] == "events_pruned"


async def test_the_ids_that_were_skipped_cost_no_page(adsum: Adsum) -> None:
    await happen(adsum, range(5))
    await restore(adsum, 3)
    await happen(adsum, range(5, 8))
    feed = EventFeed(adsum.database, EventNumbering(adsum.database), scanned_at_once=2)

    cursor, found, pages = 0, list[int](), 0
    while True:
        page = await feed.page(system_caller(), EventFilters(), cursor, 10)
        found += [event.data["added"] for event in page.items]
        cursor, pages = page.next_after, pages + 1
        if not page.has_more:
            break

    assert (found, pages) == ([0, 1, 2, 5, 6, 7], 3)


async def test_messages_after_a_restore_have_ids_that_no_message_had(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SCANNED_AT_ONCE", 2)
    await happen(adsum, range(3))
    await deliver(adsum, webhook)
    await restore(adsum, 2)
    async with adsum.database.transaction() as connection:
        await connection.execute(update(webhooks).values(position=2))
    await happen(adsum, range(3, 6))
    await deliver(adsum, webhook)

    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert receiver.added == [0, 1, 2, 3, 4, 5]
    assert len(set(ids)) == 6


async def test_late_marks_are_followed_across_the_skipped_ids(adsum: Adsum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements, "SCANNED_AT_ONCE", 1)
    await happen(adsum, range(3))
    await restore(adsum, 2)
    await happen(adsum, [3])

    assert (
        await UnexplainedStudents(adsum.database, lambda: NOW + timedelta(hours=2), after=timedelta(0)).announce() == 0
    )


def test_each_restore_gets_ids_of_its_own_also_while_the_clock_is_wrong() -> None:
    first = last_id_after_restore(100, NOW)
    again = last_id_after_restore(100, NOW + timedelta(minutes=5))

    assert 100 < first < again < 2**53
    assert last_id_after_restore(again, NOW - timedelta(days=300)) > again


@pytest.mark.parametrize("revision", [None, "0055"])
def test_a_restored_data_folder_continues_with_new_ids(
    tmp_path: Path, sqlite_template: Path, revision: str | None
) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    shutil.copy(sqlite_template, folder.database)
    if revision is not None:
        with closing(sqlite3.connect(folder.database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            connection.execute("DROP TABLE event_log")
    commands().output("backup", str(tmp_path / "backup.tar.gz"), "--data-dir", str(folder.root))
    other = DataFolder(tmp_path / "other")

    commands(data_dir=str(other.root)).output("restore", str(tmp_path / "backup.tar.gz"))

    if revision is None:
        with closing(sqlite3.connect(other.database)) as connection:
            ((last_id, pruned_id),) = connection.execute("SELECT last_id, pruned_id FROM event_log")
        assert (last_id > 1_000_000_000_000, pruned_id) == (True, 0)
    assert not [path for path in other.root.iterdir() if path.name.endswith(("-wal", "-shm"))]


async def test_ids_are_skipped_by_a_command_after_a_restore_by_other_tools(adsum: Adsum) -> None:
    url: Any = adsum.settings.database_url
    shown = commands(database_url=url).output("event", "skip-ids", "--json")

    async with adsum.database.snapshot() as connection:
        last_id = await connection.scalar(select(event_log.c.last_id))
    assert f'"lastId": {last_id}' in shown
    assert last_id is not None
    assert last_id <= int(system_clock().timestamp() * 1000)
