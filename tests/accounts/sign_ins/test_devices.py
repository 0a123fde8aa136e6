"""The cookie of known devices: who is recognised, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adsum.accounts.sign_ins.devices import LIFETIME, MAX_ACCOUNTS, Devices
from adsum.platform.clock import system_clock
from adsum.platform.errors import ConfigurationError
from adsum.platform.keys import KeyRing
from tests.accounts.conftest import KEY

ADA, BOB = "ada@school.example", "bob@school.example"
DEVICES = Devices(KeyRing.of(KEY), system_clock)


def test_a_device_is_recognised_for_the_accounts_that_signed_in_with_it() -> None:
    cookie = DEVICES.remember(DEVICES.remember(None, ADA), BOB)
    assert DEVICES.recognise(cookie, ADA)
    assert DEVICES.recognise(cookie, BOB)
    assert DEVICES.recognise(cookie, "eve@school.example") is None
    assert DEVICES.recognise(None, ADA) is None
    assert "school" not in cookie


def test_a_cookie_holds_one_token_per_account_and_only_the_last_accounts() -> None:
    cookie = DEVICES.remember(DEVICES.remember(None, ADA), ADA)
    assert "~" not in cookie
    for number in range(MAX_ACCOUNTS):
        cookie = DEVICES.remember(cookie, f"{number}@school.example")
    assert DEVICES.recognise(cookie, ADA) is None
    assert DEVICES.recognise(cookie, "0@school.example")


def test_a_forged_cookie_is_not_recognised() -> None:
    ends_at, device, signature = DEVICES.remember(None, ADA).split(".")
    forged = {
        "another key": Devices(KeyRing.of("x" * 40), system_clock).remember(None, ADA),
        "another expiry": f"{int(ends_at) + 1}.{device}.{signature}",
        "another device": f"{ends_at}.{'0' * 16}.{signature}",
        "no signature": f"{ends_at}.{device}.",
        "not ASCII": f"{ends_at}.{device}.{'é' * 32}",
        "other digits": f"\u0661.{device}.{signature}",
        "nothing": "",
        "long": "~" * 100_000,
    }
    assert {why: DEVICES.recognise(cookie, ADA) for why, cookie in forged.items()} == dict.fromkeys(forged)


def test_a_device_is_forgotten_after_a_year() -> None:
    cookie = DEVICES.remember(None, ADA)
    later = Devices(KeyRing.of(KEY), lambda: system_clock() + LIFETIME + timedelta(seconds=1))
    assert later.recognise(cookie, ADA) is None


def test_without_a_secret_key_no_device_is_known() -> None:
    with pytest.raises(ConfigurationError, match="ADSUM_SECRET_KEY"):
        Devices(KeyRing.of(None), system_clock).recognise(DEVICES.remember(None, ADA), ADA)
