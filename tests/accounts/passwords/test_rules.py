"""New passwords: their length, and what is easy to guess."""

from __future__ import annotations

import pytest

from adsum.accounts.passwords.hashing import generated_password
from adsum.accounts.passwords.rules import (
    MAX_LENGTH,
    MIN_LENGTH,
    Strength,
    number_of_parts,
    strength_of,
    validate_password,
)

NAMES = ("ada.lovelace@lindenhof.example", "Ada", "Lovelace")


def codes(password: str, minimum: int = 8) -> list[str]:
    return [violation.code for violation in validate_password(password, minimum, NAMES)]


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "Password1234!",
        "P@ssw0rd12345",
        "Passwort2024!",
        "Sunshine2024!?",
        "Frühling2026!",
        "passwordpassword",
        "letmein letmein",
        "qwertzuiopasdf",
        "1234567890987654321",
        "abcdefghijkl",
        "abababababab",
        "a" * 200,
        "AdaLovelace1815",
        "ada@lindenhof",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",
    ],
)
def test_common_personal_and_repetitive_passwords_are_refused(password: str) -> None:
    assert codes(password) == ["password_guessable"]


@pytest.mark.parametrize(
    ("password", "strength"),
    [
        ("correct horse", Strength.FAIR),
        ("correct horse battery", Strength.GOOD),
        ("correct horse battery staple", Strength.STRONG),
        ("k3#Qz9!xw2", Strength.GOOD),
        ("violet kettle drum of seven quiet rivers under a wooden bridge, 1", Strength.STRONG),  # 64 characters
        ("żółć gęślą jaźń", Strength.STRONG),
    ],
)
def test_varied_passwords_are_accepted_with_their_strength(password: str, strength: Strength) -> None:
    assert codes(password) == []
    assert strength_of(password, NAMES) is strength


def test_a_name_is_easy_to_guess_for_its_owner_only() -> None:
    assert strength_of("Lovelace Lindenhof Ada", NAMES) is Strength.WEAK
    assert strength_of("Lovelace Lindenhof Ada") > Strength.WEAK


def test_the_length_is_checked_first() -> None:
    for password in ("", "k3#Qz9!x", "k3#Qz9!x" * 40):
        (violation,) = validate_password(password, MIN_LENGTH)
        assert violation.code == "wrong_password_length"
        assert violation.params == {"minimum": MIN_LENGTH, "maximum": MAX_LENGTH}


def test_generated_passwords_are_strong() -> None:
    assert all(number_of_parts(generated_password()) > 7 for _ in range(100))
