"""Webhooks reach public addresses and allowed networks alone, whatever the name of a host leads to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from sqlalchemy import update

from adsum.accounts.access import system_caller
from adsum.events.webhooks.guard import Guard
from adsum.events.webhooks.rules import MAX_URL
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhooks
from adsum.platform.errors import Invalid
from adsum.platform.paging import PageRequest
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import Receiver, happen

# `urlsplit` reads each of them as a URL of a public host.
NO_URLS = (
    *(
        "https://8.8.8.8/\r\nx",
        "https://8.8.8.8/a\nb",
        "https://8.8.\t8.8/",
        "https://8.8.8.8/a b",
        "https://8.8.8.8/\x1b",
    ),
    *(" https://8.8.8.8/", "\x00https://8.8.8.8/", "https://8.8.8.8/ ", "https://8.8.8.8/\n", "https://8.8.8.8/\x7f"),
    *("https://8.8.8.8:0/", "https://8.8.8.8/#", "https://[2606:4700::1111]x/", "https://[2606:4700::1111]x:443/"),
    *("https://@8.8.8.8/", "https://8.8.8.8/" + "a" * MAX_URL),
)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "::7f00:1", "::ffff:0:7f00:1"),
        *("192.0.0.8", "192.0.0.255", "192.88.99.1", "198.18.0.1", "203.0.113.1", "240.0.0.1"),
        *("3fff::1", "3fff:fff::1", "5f00::1", "fec0::1", "100::1", "100:0:0:1::1", "200::1", "4000::1", "2001:db8::1"),
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not Guard().is_allowed(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.1.1", "192.88.100.1", "2606:4700::1111", "3ffe::1"])
def test_public_addresses_are_reached(address: str) -> None:
    assert Guard().is_allowed(ip_address(address))


def test_an_allowed_network_is_reached() -> None:
    guard = Guard([ip_network("10.1.0.0/16")])

    assert guard.is_allowed(ip_address("10.1.2.3"))
    assert not guard.is_allowed(ip_address("10.2.0.1"))


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/", "address_refused"),
        ("https://169.254.169.254/latest", "address_refused"),
        ("https://0x7f000001:1/", None),
        ("http://2130706433/", None),
        ("https://[::ffff:10.0.0.1]/", "address_refused"),
        ("http://8.8.8.8/", "https_required"),
        ("https://user:secret@8.8.8.8/", "wrong_url"),
        ("https://8.8.8.8/#part", "wrong_url"),
        ("ftp://8.8.8.8/", "wrong_url"),
        ("https:///path", "wrong_url"),
        ("https://8.8.8.8:99999/", "wrong_url"),
        ("https://nowhere.invalid/", "unknown_host"),
        ("https://sch\u00f6n.example/", "wrong_url"),
        *((url, "wrong_url") for url in NO_URLS),
    ],
)
@pytest.mark.every_case
async def test_a_webhook_to_a_wrong_place_is_refused(adsum: Adsum, url: str, code: str | None) -> None:
    if code is None:  # another form of 127.0.0.1, which these tests allow
        await adsum.webhooks.create(NewWebhook(url), system_caller())
        return
    with pytest.raises(Invalid) as refused:
        await adsum.webhooks.create(NewWebhook(url), system_caller())

    assert [(each.code, each.pointer) for each in refused.value.violations] == [(code, "/url")]
    names_setting = "ADSUM_WEBHOOK_ALLOWED_NETWORKS" in refused.value.violations[0].detail
    assert names_setting == (code == "address_refused")


async def test_a_host_that_leads_elsewhere_later_is_refused_at_the_connection(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    await happen(adsum, [0])
    async with adsum.database.transaction() as connection:
        await connection.execute(update(webhooks).values(url=receiver.url.replace("127.0.0.1", "localhost")))
    own: Any = adsum.deliveries
    monkeypatch.setattr(own._sender._guards["http"], "_allowed", [])

    await adsum.deliveries.deliver(webhook.webhook.id)

    page = await adsum.webhooks.page_of_deliveries(webhook.webhook.id, system_caller(), PageRequest())
    assert [each.attempt.error for each in page.items] == ["address_refused"]
    assert receiver.received == []
