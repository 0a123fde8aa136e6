"""When an API key works, what is warned of, and from where it may be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adsum.accounts.access import Permission
from adsum.accounts.api_keys.rules import (
    MAX_LIFETIME,
    ApiKey,
    Bounds,
    KeyState,
    KeyWarning,
    Owner,
    bounded_expiry,
    bounded_networks,
    contains,
    is_within,
    read_networks,
    status_of,
)
from adsum.platform.errors import Violation

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
A_DAY = timedelta(days=1)
OWNER = Owner(7, "it@school.example", disabled=False)
KEY = ApiKey(3, "sync", (Permission.ROSTER_READ,), None, NOW - A_DAY, None, OWNER)


def codes_of(violations: list[Violation]) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.code) for violation in violations]


@pytest.mark.parametrize(
    ("key", "state"),
    [
        (KEY, KeyState.ACTIVE),
        (replace(KEY, expires_at=NOW + A_DAY), KeyState.ACTIVE),
        (replace(KEY, expires_at=NOW), KeyState.EXPIRED),
        (replace(KEY, expires_at=NOW, revoked_at=NOW), KeyState.REVOKED),
    ],
)
def test_a_key_works_until_it_expires_or_is_revoked(key: ApiKey, state: KeyState) -> None:
    assert status_of(key, NOW, None).state is state


@pytest.mark.parametrize(
    ("key", "warnings"),
    [
        (KEY, ()),
        (replace(KEY, expires_at=NOW + timedelta(days=15)), ()),
        (replace(KEY, expires_at=NOW + timedelta(days=14)), (KeyWarning.EXPIRES_SOON,)),
        (replace(KEY, owner=None), (KeyWarning.OWNER_MISSING,)),
        (replace(KEY, owner=replace(OWNER, disabled=True)), (KeyWarning.OWNER_DISABLED,)),
        (replace(KEY, owner=None, revoked_at=NOW), ()),
        (replace(KEY, owner=None, expires_at=NOW), ()),
    ],
)
def test_only_keys_that_work_are_warned_of(key: ApiKey, warnings: tuple[KeyWarning, ...]) -> None:
    assert status_of(key, NOW, None).warnings == warnings


def test_a_key_that_lasts_longer_than_the_setting_allows_is_warned_of() -> None:
    month = timedelta(days=30)
    assert status_of(KEY, NOW, month).warnings == (KeyWarning.LASTS_TOO_LONG,)
    assert status_of(replace(KEY, expires_at=NOW + 2 * month), NOW, month).warnings == (KeyWarning.LASTS_TOO_LONG,)
    assert status_of(replace(KEY, expires_at=NOW + month), NOW, month).warnings == ()


@pytest.mark.parametrize(
    ("texts", "plain"),
    [
        (["10.0.0.0/8"], ("10.0.0.0/8",)),
        ([" 203.0.113.7 "], ("203.0.113.7/32",)),
        (["2001:DB8::/32", "::1"], ("2001:db8::/32", "::1/128")),
        (["::ffff:10.0.0.0/104"], ("10.0.0.0/8",)),
        (["::/0", "0.0.0.0/0"], ("::/0", "0.0.0.0/0")),
        (["::ffff:0:0:0/96"], ("::ffff:0:0:0/96",)),
    ],
)
def test_networks_are_stored_in_their_plain_form(texts: list[str], plain: tuple[str, ...]) -> None:
    violations: list[Violation] = []
    assert read_networks(texts, violations) == plain
    assert violations == []


def test_every_wrong_network_is_named_with_its_place() -> None:
    violations: list[Violation] = []
    read = read_networks(["10.0.0.0/8", "school", "10.0.0.9/8", "::ffff:10.0.0.0/104", "1.2.3.4/33"], violations)
    assert read == ("10.0.0.0/8",)
    assert codes_of(violations) == [
        ("/networks/1", "wrong_network"),
        ("/networks/2", "wrong_network"),
        ("/networks/3", "network_repeated"),
        ("/networks/4", "wrong_network"),
    ]
    assert violations[1].params == {"network": "10.0.0.0/8"}


@pytest.mark.parametrize(("texts", "code"), [([], "networks_missing"), (["10.0.0.1"] * 51, "too_long")])
def test_a_key_has_one_to_fifty_networks(texts: list[str], code: str) -> None:
    violations: list[Violation] = []
    assert read_networks(texts, violations) == ()
    assert codes_of(violations) == [("/networks", code)]


@pytest.mark.parametrize(
    ("address", "within"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:a01:203", True),
        ("11.1.2.3", False),
        ("2001:db8::7", True),
        ("2001:db8::7%eth0", True),
        ("2001:db9::7", False),
        ("::10.1.2.3", False),
        ("somewhere", False),
        ("", False),
        (None, False),
    ],
)
def test_an_address_is_compared_by_what_it_means(address: str | None, within: bool) -> None:
    assert is_within(address, ("10.0.0.0/8", "2001:db8::/32")) is within


@pytest.mark.parametrize(
    ("others", "holds"),
    [
        (["10.1.0.0/16", "10.0.0.0/8"], True),
        (["10.1.0.0/16", "11.0.0.0/8"], False),
        (["0.0.0.0/0"], False),
        (["2001:db8:1::/48"], True),
        (["::/0"], False),
    ],
)
def test_a_network_is_part_of_another(others: list[str], holds: bool) -> None:
    assert contains(("10.0.0.0/8", "2001:db8::/32"), others) is holds


def test_a_key_lasts_as_long_as_is_allowed() -> None:
    violations: list[Violation] = []
    bounds = Bounds(NOW + A_DAY, None)
    assert bounded_expiry(None, bounds, NOW, violations) == NOW + A_DAY
    assert bounded_expiry(None, Bounds(None, None), NOW, violations) is None
    assert bounded_expiry(NOW + A_DAY, bounds, NOW, violations) == NOW + A_DAY
    assert violations == []
    bounded_expiry(NOW, bounds, NOW, violations)
    bounded_expiry(NOW + 2 * A_DAY, bounds, NOW, violations)
    bounded_expiry(NOW + MAX_LIFETIME + A_DAY, Bounds(None, None), NOW, violations)
    assert codes_of(violations) == [
        ("/expiresAt", "expiry_past"),
        ("/expiresAt", "expiry_too_late"),
        ("/expiresAt", "expiry_too_late"),
    ]


def test_a_key_is_used_from_where_the_calling_key_may_be() -> None:
    violations: list[Violation] = []
    bounds = Bounds(None, ("10.0.0.0/8",))
    assert bounded_networks(None, bounds, violations) == ("10.0.0.0/8",)
    assert bounded_networks(["10.1.0.0/16"], bounds, violations) == ("10.1.0.0/16",)
    assert violations == []
    bounded_networks(["0.0.0.0/0"], bounds, violations)
    assert codes_of(violations) == [("/networks", "network_not_allowed")]
