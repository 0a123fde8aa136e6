from __future__ import annotations

import asyncio
import threading
import unicodedata

import argon2
import pytest
from argon2 import extract_parameters

from adsum.accounts.passwords import hashing
from adsum.accounts.passwords.hashing import CONCURRENT_HASHES, Passwords, generated_password
from adsum.accounts.passwords.rules import MAX_LENGTH


async def test_a_password_matches_its_own_hash_and_no_other() -> None:
    checker = Passwords()
    kept = await checker.hash("correct horse")
    assert "horse" not in kept
    assert await checker.matches("correct horse", kept)
    assert not await checker.matches("correct horsf", kept)
    assert not await checker.matches("Correct horse", kept)
    assert not await checker.matches("correct horse ", kept)


async def test_every_character_of_a_long_password_counts() -> None:
    checker, long = Passwords(), "x" * (MAX_LENGTH - 1)
    assert not await checker.matches(f"{long}b", await checker.hash(f"{long}a"))


async def test_a_password_typed_on_another_keyboard_is_the_same() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Nguyễn Ánh 1") for form in ("NFC", "NFD"))
    assert composed != decomposed
    checker = Passwords()
    assert await checker.matches(decomposed, await checker.hash(composed))


@pytest.mark.usefixtures("real_parameters")
async def test_a_hash_takes_64_mib_and_three_rounds() -> None:
    parameters = extract_parameters(await Passwords().hash("correct horse"))
    assert (parameters.memory_cost, parameters.time_cost) == (64 * 1024, 3)


@pytest.mark.usefixtures("real_parameters")
async def test_checking_an_account_without_a_password_takes_as_long_and_never_matches() -> None:
    real = await Passwords().hash("correct horse")
    assert extract_parameters(hashing.DECOY) == extract_parameters(real)
    # Argon2 computes the whole hash before it compares: a mismatch, not a hash that cannot be read.
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(hashing.DECOY, "correct horse")
    assert not await Passwords().matches("correct horse", None)


@pytest.mark.long
@pytest.mark.usefixtures("real_parameters")
async def test_no_more_than_two_hashes_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checker, running, most, guard = Passwords(), 0, 0, threading.Lock()
    real = hashing.PasswordHash.hash

    def counted(self: hashing.PasswordHash, password: str) -> str:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        try:
            return real(self, password)
        finally:
            with guard:
                running -= 1

    monkeypatch.setattr(hashing.PasswordHash, "hash", counted)
    await asyncio.gather(*(checker.hash(f"password {number}") for number in range(6)))
    assert most == CONCURRENT_HASHES


def test_generated_passwords_differ_and_have_no_letters_that_look_alike() -> None:
    made = {generated_password() for _ in range(100)}
    assert len(made) == 100
    assert not set("0O1lI") & set("".join(made))
    assert all(len(password) == 19 for password in made)
