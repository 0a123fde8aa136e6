"""Signed attempts and invitations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adsum.accounts.single_sign_on.attempts import INVITATION_LIFETIME, LIFETIME, Attempts, Invitation
from adsum.platform.errors import ConfigurationError
from adsum.platform.keys import KeyRing
from adsum.platform.signing_keys import SigningKey

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def at(moment: datetime, key: str | None = "k" * 40) -> Attempts:
    return Attempts(KeyRing.of(key, lambda: moment), lambda: moment)


def test_an_attempt_is_opened_with_its_id_its_provider_and_in_time() -> None:
    attempt = at(NOW).new("google", "/today")
    cookie = at(NOW).sealed(attempt)
    assert at(NOW).opened(attempt.id, "google", cookie) == attempt
    assert at(NOW).opened(attempt.id, "entra", cookie) is None
    assert at(NOW).opened("0" * 32, "google", cookie) is None
    assert at(NOW + LIFETIME).opened(attempt.id, "google", cookie) is None
    assert at(NOW, "x" * 40).opened(attempt.id, "google", cookie) is None
    assert at(NOW).opened(attempt.id, "google", None) is None


def test_the_secrets_of_attempts_differ_and_are_not_in_the_cookie() -> None:
    attempts = at(NOW)
    one, other = attempts.new("google", "/"), attempts.new("google", "/")
    secrets = {secret(each) for secret in (attempts.nonce, attempts.code_verifier) for each in (one, other)}
    assert len(secrets) == 4
    assert not any(secret in attempts.sealed(one) for secret in secrets)
    assert 43 <= len(attempts.code_verifier(one)) <= 128


def test_an_invitation_is_of_one_user_and_provider_and_lasts_a_week() -> None:
    text = at(NOW).invite("google", Invitation(7, 3))
    assert at(NOW).invitation("google", text) == Invitation(7, 3)
    assert at(NOW).invitation("entra", text) is None
    assert at(NOW + INVITATION_LIFETIME).invitation("google", text) is None
    assert at(NOW).invitation("google", text.replace("7.3.", "8.3.")) is None
    assert at(NOW).invitation("google", f"0{text}") == Invitation(7, 3)
    assert at(NOW).invitation("google", "") is None


def test_a_user_id_that_no_database_holds_is_no_invitation() -> None:
    text = at(NOW).invite("google", Invitation(2**63, 0))
    assert at(NOW).invitation("google", text) is None


def test_a_signing_key_is_needed() -> None:
    with pytest.raises(ConfigurationError):
        at(NOW, None).new("google", "/")
    with pytest.raises(ConfigurationError):
        at(NOW, None).opened("0" * 32, "google", None)


def test_an_attempt_outlives_the_rotation_of_the_signing_key() -> None:
    before = at(NOW)
    attempt = before.new("google", "/")
    after = Attempts(KeyRing(lambda: (SigningKey("n" * 40), SigningKey("k" * 40)), lambda: NOW), lambda: NOW)
    opened = after.opened(attempt.id, "google", before.sealed(attempt))
    assert opened == attempt
    assert (after.nonce(attempt), after.code_verifier(attempt)) == (
        before.nonce(attempt),
        before.code_verifier(attempt),
    )
    replaced = Attempts(KeyRing.of("n" * 40, lambda: NOW), lambda: NOW)
    assert replaced.nonce(attempt) != before.nonce(attempt)


def test_a_long_path_becomes_the_start_page() -> None:
    assert at(NOW).new("google", "/" + "x" * 500).path == "/"
    assert at(NOW).new("google", "/" + "x" * 499).path != "/"
    assert timedelta(minutes=5) < LIFETIME
