"""The pages `/admin/webhooks`."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from adsum.accounts.access import Role, system_caller
from adsum.events.webhooks.rules import RETRY_FOR, Webhook
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhooks
from adsum.platform.database.new_events import EventType
from adsum.platform.paging import MAX_LIMIT
from tests.events.webhooks.conftest import NOW, Receiver, caller_with_key, deliver, happen
from tests.support.api import Api
from tests.support.live import ROOT
from tests.support.pages import Pages, visible_text
from tests.support.schools import make_bare_school

PATH = "/admin/webhooks"
SECRET = re.compile(r"whsec_[\w+/=]{40,}")
CALLER = system_caller()


@pytest.fixture
async def pages(api: Api) -> Pages:
    """The pages with an admin of the district and one of the school."""
    await api.sign_in(Role.ADMIN, None)
    api.tokens["district"] = api.tokens["admin"]
    await api.sign_in(Role.ADMIN, api.school.school_id)
    return Pages(api)


@pytest.fixture
async def webhook(pages: Pages, receiver: Receiver) -> WebhookWithSecret:
    return await pages.api.adsum.webhooks.create(NewWebhook(receiver.url), CALLER)


async def send(pages: Pages, path: str = "", **fields: Any) -> httpx2.Response:
    return await pages.send(f"{PATH}{path}", fields, "district")


async def shown(pages: Pages, path: str = "", language: str = "en", **query: Any) -> str:
    page = await pages.open(f"{PATH}{path}", "district", language, **query)
    assert page.status_code == HTTPStatus.OK, page.text
    return visible_text(page)


async def only_webhook(pages: Pages) -> Webhook:
    (webhook,) = await pages.api.adsum.webhooks.list_webhooks(CALLER)
    return webhook


async def fail(pages: Pages, webhook: WebhookWithSecret, receiver: Receiver, status: int = 500) -> None:
    """Lets one event happen, and one attempt to deliver it fail."""
    receiver.answer_of = lambda _: status
    receiver.content = b'{"error": "out of order"}'
    await happen(pages.api.adsum, [1])
    await pages.api.adsum.deliveries.deliver(webhook.webhook.id)


def wrong_fields(page: httpx2.Response) -> dict[str, str]:
    """The errors beside the fields, by the name of the field."""
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, page.text
    found = re.findall(r'<span class="wrong" id="wrong-([\w-]+)">(.*?)</span>', page.text)
    assert all(f'aria-describedby="wrong-{name}"' in page.text for name, _ in found)
    return {name: html.unescape(text).strip() for name, text in found}


async def test_a_webhook_is_created_and_its_secret_is_shown_once(pages: Pages, receiver: Receiver) -> None:
    assert "There is no webhook yet." in await shown(pages)

    made = await send(pages, url=f" {receiver.url} ", scope="some", type=["roster.imported"], order="any")

    assert made.status_code == HTTPStatus.OK
    (secret,) = SECRET.findall(made.text)
    webhook = await only_webhook(pages)
    assert (webhook.url, webhook.event_types, webhook.in_order) == (receiver.url, ("roster.imported",), False)
    assert not SECRET.findall((await pages.open(f"{PATH}/{webhook.id}", "district")).text)
    assert "Nothing was delivered yet." in await shown(pages, f"/{webhook.id}")
    listed = await shown(pages)
    assert f"{receiver.url} Enabled A roster was imported All schools none yet" in listed
    await happen(pages.api.adsum, [1])
    await pages.api.adsum.deliveries.deliver(webhook.id)
    assert receiver.received[0].is_signed_with(secret)
    assert "Delivered · 204" in await shown(pages)


async def test_wrong_input_stays_in_the_form_and_names_each_field(pages: Pages) -> None:
    refused = await send(pages, url="ftp://school.example/", scope="some", order="any")
    not_public = await send(pages, url="https://10.0.0.1/", scope="all")

    assert wrong_fields(refused) == {
        "url": "Enter a URL such as https://school.example/hooks, with no user name, fragment, spaces or line ends.",
        "types": "Choose at least one type of event.",
    }
    assert "URL: Enter a URL" in visible_text(refused)
    assert 'value="ftp://school.example/"' in refused.text
    assert re.search(r'name="order" value="any" checked', refused.text)
    assert wrong_fields(not_public) == {"url": "The host is not public, and its network is not allowed."}
    assert await pages.api.adsum.webhooks.list_webhooks(CALLER) == []


async def test_an_admin_of_a_school_sees_and_creates_webhooks_of_that_school_alone(
    pages: Pages, webhook: WebhookWithSecret, receiver: Receiver
) -> None:
    school_id = pages.api.school.school_id
    page = await pages.open(PATH, "admin")
    for_all = await pages.send(PATH, {"url": receiver.url}, "admin")
    own = await pages.send(PATH, {"url": receiver.url, "school": school_id}, "admin")

    assert "There is no webhook yet." in page.text
    assert '<option value="">' not in page.text
    assert for_all.status_code == HTTPStatus.FORBIDDEN
    assert "School: Choose a school" in visible_text(for_all)
    assert own.status_code == HTTPStatus.OK
    for path in ("", "/settings"):
        assert (await pages.open(f"{PATH}/{webhook.webhook.id}{path}", "admin")).status_code == HTTPStatus.NOT_FOUND
    for path in ("/test", "/delete", "/rotate", "/replay", "/state"):
        answer = await pages.send(f"{PATH}/{webhook.webhook.id}{path}", {"enabled": "true", "event": 1}, "admin")
        assert answer.status_code == HTTPStatus.NOT_FOUND, path


@pytest.mark.parametrize("role", ["office", "viewer", "operator", "teacher"])
async def test_the_pages_are_for_those_who_manage_webhooks(pages: Pages, role: str) -> None:
    assert (await pages.open(PATH, role)).status_code == HTTPStatus.FORBIDDEN
    assert "/admin/webhooks" not in (await pages.open("/admin", role)).text


async def test_the_admin_page_leads_to_the_webhooks(pages: Pages) -> None:
    assert 'href="/admin/webhooks"' in (await pages.open("/admin", "district")).text


async def test_a_webhook_is_changed(pages: Pages, webhook: WebhookWithSecret, receiver: Receiver) -> None:
    path = f"/{webhook.webhook.id}/settings"
    form = await shown(pages, path)
    changed = await send(pages, path, url=receiver.url, scope="some", type=["batch.completed"], order="any")
    refused = await send(pages, path, url="https://10.0.0.1/", scope="some")
    kept = await send(pages, path, url=receiver.url, scope="some")

    assert "Keep the order" in form
    assert changed.headers["location"] == f"{PATH}/{webhook.webhook.id}?done=saved"
    after = await only_webhook(pages)
    assert (after.event_types, after.in_order) == (("batch.completed",), False)
    assert set(wrong_fields(refused)) == {"url", "types"}
    assert set(wrong_fields(kept)) == {"types"}
    assert 'value="batch.completed" checked' in (await pages.open(f"{PATH}{path}", "district")).text


async def test_a_rotation_shows_the_new_secret_once_and_both_sign_until_the_overlap_ends(
    pages: Pages, webhook: WebhookWithSecret, receiver: Receiver
) -> None:
    path = f"/{webhook.webhook.id}"
    rotated = await send(pages, f"{path}/rotate", overlap="7")
    await send(pages, f"{path}/test")

    (secret,) = SECRET.findall(rotated.text)
    assert receiver.received[0].is_signed_with(secret)
    assert receiver.received[0].is_signed_with(webhook.secret)
    assert "The earlier secret signs, too. It ends: in 7 days" in await shown(pages, path)
    assert "A new secret ends it now." in await shown(pages, f"{path}/settings")
    assert (await send(pages, f"{path}/rotate", overlap="8")).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_a_webhook_is_disabled_and_enabled(pages: Pages, webhook: WebhookWithSecret) -> None:
    path = f"/{webhook.webhook.id}"
    disabled = await send(pages, f"{path}/state", enabled="false")
    while_disabled = await shown(pages, path)
    enabled = await send(pages, f"{path}/state", enabled="true")
    again = await send(pages, f"{path}/state", enabled="true")

    assert disabled.headers["location"].endswith("?done=disabled")
    assert "This webhook is disabled." in while_disabled
    assert enabled.headers["location"].endswith("?done=enabled")
    assert again.headers["location"].endswith("?done=resumed")
    assert "receives what it has missed" in await shown(pages, path, done="enabled")


async def test_a_webhook_is_deleted_after_a_question(pages: Pages, webhook: WebhookWithSecret) -> None:
    path = f"/{webhook.webhook.id}"
    assert "deleted for good" in await shown(pages, f"{path}/settings")
    deleted = await send(pages, f"{path}/delete")

    assert deleted.headers["location"] == f"{PATH}?done=deleted"
    assert "The webhook is deleted." in await shown(pages, done="deleted")
    assert (await pages.open(f"{PATH}{path}", "district")).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("status", "texts"),
    [
        (204, ["The test arrived. Delivered · 204"]),
        (500, ["The test did not arrive. Failed · 500", "The receiver answered, but not with a status"]),
        (0, ["The test did not arrive. The connection broke", "Check that the receiver runs"]),
    ],
)
async def test_the_result_of_a_test_is_shown(
    pages: Pages, webhook: WebhookWithSecret, receiver: Receiver, status: int, texts: list[str]
) -> None:
    path = f"/{webhook.webhook.id}"
    receiver.answer_of, receiver.content = lambda _: status, b'{"answer": "of a test"}'
    sent = await send(pages, f"{path}/test")

    assert sent.headers["location"] == f"{PATH}{path}?done=tested"
    page = await shown(pages, path, done="tested")
    assert [text for text in texts if text not in page] == []
    assert ('Answer {"answer": "of a test"}' in page) is (status == 500)  # 204 has no body


async def test_the_log_shows_each_attempt_with_its_number_and_the_next_one(
    pages: Pages, webhook: WebhookWithSecret, receiver: Receiver
) -> None:
    path = f"/{webhook.webhook.id}"
    await fail(pages, webhook, receiver)
    await deliver(pages.api.adsum, webhook, datetime.now(UTC) + timedelta(minutes=1))
    page = await pages.open(f"{PATH}{path}", "district")

    text = visible_text(page)
    rows = re.findall(r'<tr id="delivery-.*?</tr>', page.text, re.DOTALL)
    assert [re.findall(r'data-label="Attempt">(\d+)<', row) for row in rows] == [["2"], ["1"]]
    assert ["Next attempt:" in row for row in rows] == [True, False]
    assert "A roster was imported roster.imported 1 Failed · 500" in text
    assert "out of order" not in text, "the answer to an event is not stored"
    assert "Deliveries fail." in text
    assert "Waiting events 1" in text
    assert "Failing" in await shown(pages)


async def test_the_page_refreshes_its_state_and_its_log(
    pages: Pages, webhook: WebhookWithSecret, receiver: Receiver
) -> None:
    path = f"/{webhook.webhook.id}"
    page = (await pages.open(f"{PATH}{path}?show=failed", "district")).text
    (refreshed,) = re.findall(r'data-live [^>]*hx-get="([^"]*)" hx-trigger="every 5s"', page)
    assert refreshed == f"{PATH}{path}/now?show=failed"
    before = visible_text(await pages.open(refreshed, "district"))
    await fail(pages, webhook, receiver)
    after = await pages.open(refreshed, "district")

    assert "No attempt has failed." in before
    assert "Deliveries fail." in visible_text(after)
    assert "Failed · 500" in visible_text(after)
    assert "<!doctype html>" not in after.text
    for role in ("office", "viewer", "operator", "teacher"):
        assert (await pages.open(refreshed, role)).status_code == HTTPStatus.FORBIDDEN
    assert (await pages.open(refreshed, "admin")).status_code == HTTPStatus.NOT_FOUND


async def test_too_many_schools_to_choose_from_are_named_by_id(pages: Pages, receiver: Receiver) -> None:
    async with pages.api.adsum.database.transaction() as connection:
        added = [await make_bare_school(connection) for _ in range(MAX_LIMIT)]
    page = (await pages.open(PATH, "district")).text
    made = await send(pages, url=receiver.url, school=added[-1])
    wrong = await send(pages, url=receiver.url, school=added[-1] + 999)

    assert '<select name="school"' not in page
    assert '<input name="school" value="" inputmode="numeric"' in page
    assert made.status_code == HTTPStatus.OK
    assert (await only_webhook(pages)).school_id == added[-1]
    assert (wrong.status_code, wrong_fields(wrong)) == (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        {"school": "There is no such school."},
    )


async def test_the_log_can_be_limited_to_failures(pages: Pages, webhook: WebhookWithSecret, receiver: Receiver) -> None:
    path = f"/{webhook.webhook.id}"
    await send(pages, f"{path}/test")
    assert "No attempt has failed." in await shown(pages, path, show="failed")
    await fail(pages, webhook, receiver)

    assert "Delivered" not in await shown(pages, path, show="failed")
    assert "Delivered" in await shown(pages, path)
    assert (await pages.open(f"{PATH}{path}", "district", cursor="wrong")).status_code == HTTPStatus.OK


async def test_a_long_log_has_parts(pages: Pages, webhook: WebhookWithSecret) -> None:
    path = f"{PATH}/{webhook.webhook.id}"
    await happen(pages.api.adsum, range(60))
    await pages.api.adsum.deliveries.deliver(webhook.webhook.id)
    first = await pages.open(path, "district")
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = await pages.open(html.unescape(older).partition("#")[0], "district")

    assert first.text.count('<tr id="delivery-') + second.text.count('<tr id="delivery-') == 60
    assert "From the beginning" in second.text


async def test_an_event_and_a_period_are_delivered_again(
    pages: Pages, webhook: WebhookWithSecret, receiver: Receiver
) -> None:
    path = f"/{webhook.webhook.id}"
    await happen(pages.api.adsum, [1, 2])
    await pages.api.adsum.deliveries.deliver(webhook.webhook.id)
    one = await send(pages, f"{path}/replay", event="1")
    await pages.api.adsum.deliveries.deliver(webhook.webhook.id)
    day = f"{NOW:%Y-%m-%d}"
    period = await send(pages, f"{path}/replay", since=f"{day}T00:00", until=f"{day}T23:59")
    waiting = await shown(pages, path)
    await pages.api.adsum.deliveries.deliver(webhook.webhook.id)

    assert one.headers["location"].endswith("?done=again&count=1")
    assert period.headers["location"].endswith("?done=again&count=2")
    assert "2 events will be delivered again." in await shown(pages, path, done="again", count=2)
    assert "has received no event in this period" in await shown(pages, path, done="again", count=0)
    assert "Waiting events 2" in waiting
    assert receiver.added == [1, 2, 1, 1, 2]


async def test_a_replay_into_a_disabled_webhook_says_that_its_events_wait(
    pages: Pages, webhook: WebhookWithSecret
) -> None:
    path = f"/{webhook.webhook.id}"
    await happen(pages.api.adsum, [1, 2])
    await pages.api.adsum.deliveries.deliver(webhook.webhook.id)
    await send(pages, f"{path}/state", enabled="false")
    one = await send(pages, f"{path}/replay", event="1")

    assert one.headers["location"].endswith("?done=again&count=1")
    waits = "waits to be delivered again. Nothing is delivered until the webhook is enabled."
    assert f"1 event {waits}" in await shown(pages, path, done="again", count=1)
    assert "has received no event in this period" in await shown(pages, path, done="again", count=0)
    await send(pages, f"{path}/state", enabled="true")
    assert "1 event will be delivered again." in await shown(pages, path, done="again", count=1)


async def test_a_wrong_period_names_each_field(pages: Pages, webhook: WebhookWithSecret) -> None:
    path = f"/{webhook.webhook.id}/replay"
    nothing = await send(pages, path)
    reversed_ = await send(pages, path, since="2024-12-25T08:00", until="2024-12-25T07:00")
    unknown = await send(pages, path, event="7")

    assert wrong_fields(nothing) == {"since": "Enter a day and a time.", "until": "Enter a day and a time."}
    assert wrong_fields(reversed_) == {"until": "The end must be after the beginning."}
    assert 'value="2024-12-25T08:00"' in reversed_.text
    assert "Event: The webhook has passed no such event." in visible_text(unknown)


async def test_a_webhook_that_adsum_has_disabled_is_noticed_until_it_is_enabled_or_deleted(
    pages: Pages, webhook: WebhookWithSecret, receiver: Receiver
) -> None:
    adsum = pages.api.adsum
    gone = await adsum.webhooks.create(NewWebhook(receiver.url, event_types=(EventType.ROSTER_IMPORTED,)), CALLER)
    await fail(pages, gone, receiver, status=410)
    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=True)
    async with adsum.database.transaction() as connection:
        longer = datetime.now(UTC) - RETRY_FOR
        is_own = webhooks.c.id == webhook.webhook.id
        await connection.execute(update(webhooks).where(is_own).values(failing_since=longer))
    receiver.answer_of = lambda _: 503
    await adsum.deliveries.deliver(webhook.webhook.id)
    texts = {
        "gone": "The webhook to 127.0.0.1 is disabled: the receiver answered that it is gone.",
        "failing": "The webhook to 127.0.0.1 is disabled: no delivery arrived for three days.",
    }

    async def noticed(role: str = "district") -> list[set[str]]:
        places = [visible_text(await pages.open(path, role)) for path in ("/admin", "/overview")]
        return [{name for name, text in texts.items() if text in place} for place in places]

    assert await noticed() == [{"gone", "failing"}] * 2
    assert await noticed("admin") == [set[str]()] * 2  # webhooks of all schools are not theirs
    assert await noticed("office") == [set[str]()] * 2
    assert "the receiver answered 410" in await shown(pages, f"/{gone.webhook.id}")
    assert "no delivery arrived for three days" in await shown(pages, f"/{webhook.webhook.id}")
    await send(pages, f"/{gone.webhook.id}/state", enabled="true")
    assert await noticed() == [{"failing"}] * 2
    await send(pages, f"/{webhook.webhook.id}/delete")
    assert await noticed() == [set[str]()] * 2


async def test_a_webhook_that_has_stopped_with_its_key_says_so_and_is_taken_over(
    pages: Pages, receiver: Receiver
) -> None:
    adsum = pages.api.adsum
    key = await caller_with_key(adsum)
    assert key.key_id is not None
    created = await adsum.webhooks.create(NewWebhook(receiver.url), key)
    path, key_path = f"/{created.webhook.id}", f"/admin/keys/{key.key_id}"
    before = await pages.open(f"{PATH}{path}", "district")
    warned = visible_text(await pages.open(key_path, "district"))
    await pages.send(f"{key_path}/revoke", {}, "district")
    stopped, notice = await shown(pages, path), visible_text(await pages.open("/admin", "district"))
    listed = await shown(pages)
    await send(pages, f"{path}/state", enabled="true")
    after = await shown(pages, path)

    assert "Created by API key 1 Ends with API key 1 which has set the URL" in visible_text(before)
    assert f'<a href="{key_path}">' in before.text
    assert "The webhooks to which it has given a URL stop." in warned
    assert "has stopped because the API key that set its URL was revoked" in stopped
    assert "The webhook to 127.0.0.1 has stopped: the API key that has set its URL was revoked" in notice
    assert "Disabled: the API key has ended" in listed
    assert "Ends with" not in after
    assert "Created by API key 1" in after


async def test_the_page_names_the_person_who_created_a_webhook(pages: Pages, receiver: Receiver) -> None:
    await send(pages, url=receiver.url)
    own = await only_webhook(pages)
    by_command = await pages.api.adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    texts = [await shown(pages, f"/{each}") for each in (own.id, by_command.webhook.id)]
    async with pages.api.adsum.database.transaction() as connection:
        await connection.execute(update(webhooks).values(created_role=None, created_user_id=None))
    texts.append(await shown(pages, f"/{own.id}"))

    authors = [re.search(r"Created by ([\w@. ]+?) (?:Send a test|Settings)", text) for text in texts]
    assert [found and found[1] for found in authors] == ["admin@school0.example", "the command line", "unknown"]


async def test_many_disabled_webhooks_are_counted(pages: Pages, receiver: Receiver) -> None:
    adsum = pages.api.adsum
    for _ in range(5):
        await adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    async with adsum.database.transaction() as connection:
        await connection.execute(update(webhooks).values(disabled="failing", disabled_at=NOW))

    assert "2 more webhooks are disabled" in visible_text(await pages.open("/admin", "district"))


def test_every_type_of_event_has_words() -> None:
    parts = (ROOT / "src/adsum/events/templates/admin/webhook_parts.html").read_text(encoding="utf-8")
    assert [each for each in EventType if f'"{each}": _(' not in parts] == []
