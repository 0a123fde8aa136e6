"""One-time codes, recovery codes and names, without a database."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from pyotp.hotp import HOTP
from pyotp.totp import TOTP

from adsum.accounts.access import Role
from adsum.accounts.second_factors.rules import (
    hash_of_code,
    is_asked_after_provider,
    is_totp,
    new_recovery_codes,
    step_at,
    step_of_code,
    typed_code,
    validate_factor_name,
)
from adsum.platform.setting_groups.values import ROLES_OF_USERS

# RFC 6238, appendix B, with SHA-1. Its codes have eight digits, of which six remain.
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = datetime(2026, 11, 29, 8, 0, 10, tzinfo=UTC)
STEP = timedelta(seconds=30)


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert step_of_code(SECRET, code[-6:], now, after=0) == seconds // 30


def test_a_code_of_the_step_before_or_after_is_right_and_of_others_wrong() -> None:
    for steps, is_right in {-2: False, -1: True, 0: True, 1: True, 2: False}.items():
        code = TOTP(SECRET).at(NOW + steps * STEP)
        assert step_of_code(SECRET, code, NOW, after=0) == (step_at(NOW) + steps if is_right else None)


def test_a_code_works_once_and_so_do_all_earlier_ones() -> None:
    now = step_at(NOW)
    codes = {step: HOTP(SECRET).at(step) for step in (now - 1, now, now + 1)}
    assert step_of_code(SECRET, codes[now], NOW, after=now) is None
    assert step_of_code(SECRET, codes[now - 1], NOW, after=now) is None
    assert step_of_code(SECRET, codes[now + 1], NOW, after=now) == now + 1


@pytest.mark.parametrize("wrong", ["", "000000", "12345", "\uff11\uff12\uff13x", "\ud800"])
def test_other_texts_are_no_codes(wrong: str) -> None:
    assert step_of_code(SECRET, wrong, NOW, after=0) is None


def test_a_code_is_read_as_people_type_it() -> None:
    assert typed_code(" 123-456 ") == typed_code("\uff11\uff12\uff13 456") == "123456"
    assert is_totp("123456")
    code = new_recovery_codes()[0]
    assert not is_totp(typed_code(code))
    assert hash_of_code(f" {code.upper().replace('-', ' ')}") == hash_of_code(code)


def test_recovery_codes_differ() -> None:
    codes = new_recovery_codes()
    assert (len(codes), len(set(codes)), {len(typed_code(code)) for code in codes}) == (10, 10, {24})


def test_a_name_is_visible_and_short() -> None:
    assert validate_factor_name("my phone") == []
    for name in ("", "x" * 65, "line\nbreak"):
        assert [each.code for each in validate_factor_name(name)] == ["wrong_factor_name"]


@pytest.mark.parametrize("has_factors", [True, False])
@pytest.mark.parametrize("role_needs_factor", [True, False])
@pytest.mark.parametrize("is_proved", [True, False])
def test_after_single_sign_on_a_factor_is_asked_for_only_if_the_role_needs_one(
    *, has_factors: bool, role_needs_factor: bool, is_proved: bool
) -> None:
    is_asked = is_asked_after_provider(
        has_factors=has_factors, role_needs_factor=role_needs_factor, is_proved_by_provider=is_proved
    )
    assert is_asked == (has_factors and role_needs_factor and not is_proved)


def test_the_setting_knows_the_roles_of_users() -> None:
    assert set(ROLES_OF_USERS) == set(Role) - {Role.KEY}
