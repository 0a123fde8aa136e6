"""Challenges and passkeys, without a database."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsum.accounts.second_factors.challenges import LIFETIME, Challenges
from adsum.accounts.second_factors.passkeys import (
    MAX_ANSWER,
    KnownPasskey,
    Passkeys,
    RelyingParty,
    credential_of,
)
from adsum.platform.clock import system_clock
from adsum.platform.errors import ConfigurationError, WrongSecondFactor
from adsum.platform.keys import KeyRing
from tests.accounts.conftest import KEY
from tests.accounts.second_factors.authenticator import Authenticator

PARTY = RelyingParty("adsum.example", "https://adsum.example")
HERE, ELSEWHERE = "sign-in 1", "sign-in 2"
PASSKEYS = Passkeys(Challenges(KeyRing.of(KEY), system_clock))


def registered(device: Authenticator) -> KnownPasskey:
    options = PASSKEYS.options_to_register(PARTY, HERE, "c2VjcmV0", "ada@school.example", [])
    new = PASSKEYS.check_registration(PARTY, HERE, device.create(options))
    return KnownPasskey(1, 7, new.credential_id, new.public_key, new.transports, new.sign_count)


def options(purpose: str = HERE, known: KnownPasskey | None = None) -> dict[str, Any]:
    return PASSKEYS.options_to_answer(PARTY, purpose, [known] if known else [], verifies_user=False)


def check(answer: str, known: KnownPasskey, *, party: RelyingParty = PARTY, verifies_user: bool = False) -> int:
    return PASSKEYS.check_answer(party, HERE, answer, known, verifies_user=verifies_user).sign_count


def test_a_passkey_that_was_registered_answers() -> None:
    device = Authenticator()
    known = registered(device)
    assert known.transports == "internal"
    assert check(device.get(options(known=known)), known, verifies_user=True) == 1
    assert options(known=known)["allowCredentials"][0]["id"] == known.credential_id
    assert credential_of(device.get(options())) == (known.credential_id, "c2VjcmV0")
    excluded = PASSKEYS.options_to_register(PARTY, HERE, "c2VjcmV0", "ada@school.example", [known])
    assert [each["id"] for each in excluded["excludeCredentials"]] == [known.credential_id]


def test_an_answer_for_another_purpose_site_or_time_is_refused() -> None:
    device = Authenticator(counter=None)
    known = registered(device)
    with pytest.raises(WrongSecondFactor, match="belongs to something else"):
        check(device.get(options(ELSEWHERE)), known)
    for other in (Authenticator(origin="https://adsum.example.evil"), Authenticator(rp_id="evil.example")):
        answer = replace(other, key=device.key, credential_id=device.credential_id, handle=device.handle)
        with pytest.raises(WrongSecondFactor):
            check(answer.get(options()), known)
    with pytest.raises(WrongSecondFactor):
        check(device.get(options()), known, party=RelyingParty("adsum.example", "https://adsum.example:8443"))
    later = Passkeys(Challenges(KeyRing.of(KEY), lambda: system_clock() + LIFETIME))
    with pytest.raises(WrongSecondFactor, match="too late"):
        later.check_answer(PARTY, HERE, device.get(options()), known, verifies_user=False)
    other_server = Passkeys(Challenges(KeyRing.of("x" * 40), system_clock))
    with pytest.raises(WrongSecondFactor):
        other_server.check_answer(PARTY, HERE, device.get(options()), known, verifies_user=False)


def test_a_passkey_that_was_cloned_is_refused_by_its_counter() -> None:
    device = Authenticator(counter=5)
    known = registered(device)
    assert known.sign_count == 5
    clone = replace(device)
    used = replace(known, sign_count=check(device.get(options()), known))
    with pytest.raises(WrongSecondFactor) as refused:
        check(clone.get(options()), used)
    assert "sign count" in str(refused.value.__cause__)


def test_without_a_password_the_passkey_has_to_verify_its_user() -> None:
    device = Authenticator(verifies_user=False)
    known = registered(device)
    assert check(device.get(options()), known) == 1
    with pytest.raises(WrongSecondFactor) as refused:
        check(device.get(options()), replace(known, sign_count=1), verifies_user=True)
    assert "verification" in str(refused.value.__cause__)


def test_a_changed_or_foreign_signature_is_refused() -> None:
    device = Authenticator()
    known = registered(device)
    with pytest.raises(WrongSecondFactor):
        check(replace(Authenticator(), credential_id=device.credential_id).get(options()), known)
    answer = json.loads(device.get(options()))
    answer["type"] = "webauthn.create"
    with pytest.raises(WrongSecondFactor):
        check(json.dumps(answer), known)
    made = json.loads(Authenticator().create(PASSKEYS.options_to_register(PARTY, HERE, "YQ", "a@b.example", [])))
    with pytest.raises(WrongSecondFactor):
        check(json.dumps(made), known)
    with pytest.raises(WrongSecondFactor):
        PASSKEYS.check_registration(PARTY, ELSEWHERE, json.dumps(made))


def test_texts_that_are_no_answers_are_refused() -> None:
    known = registered(Authenticator())
    for text in ("", "[]", "null", "{", '{"id": 1}', "[" * 20_000, "x" * (MAX_ANSWER + 1)):
        for call in (lambda text=text: check(text, known), lambda text=text: credential_of(text)):
            with pytest.raises(WrongSecondFactor):
                call()
        with pytest.raises(WrongSecondFactor):
            PASSKEYS.check_registration(PARTY, HERE, text)


ANSWERS = [Authenticator().create(PASSKEYS.options_to_register(PARTY, HERE, "YQ", "a@b.example", []))]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(ANSWERS[0]) - 1), st.text(max_size=3))
def test_a_registration_with_any_change_is_accepted_or_refused(at: int, text: str) -> None:
    with suppress(WrongSecondFactor):
        PASSKEYS.check_registration(PARTY, HERE, ANSWERS[0][:at] + text + ANSWERS[0][at + 1 :])


def test_challenges_need_a_key() -> None:
    with pytest.raises(ConfigurationError):
        Challenges(KeyRing.of(None), system_clock).make(HERE)


def test_a_challenge_knows_when_it_was_made() -> None:
    moment = system_clock()
    challenges = Challenges(KeyRing.of(KEY), lambda: moment)
    challenge = challenges.make(HERE)
    assert challenges.made_at(challenge, HERE) == int(moment.timestamp() * 1_000_000)
    early = Challenges(KeyRing.of(KEY), lambda: moment - timedelta(hours=1))
    assert early.made_at(challenge, HERE) > 0  # of a process whose clock is ahead
