"""Second factors on both databases: adding, proving, racing, removing and resetting them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.abc import MetaPathFinder

import pytest
from pyotp.totp import TOTP
from typing_extensions import override

from adsum.accounts.access import Caller, Role, system_caller
from adsum.accounts.second_factors.attempts import CodeAttempt
from adsum.accounts.second_factors.passkeys import RelyingParty
from adsum.accounts.second_factors.repository import apps_of_user
from adsum.accounts.second_factors.rules import MAX_FACTORS, FactorExists, FactorKind, LastFactor, Proof
from adsum.accounts.second_factors.service import SecondFactors
from adsum.accounts.second_factors.verifier import FactorVerifier, Prover
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.rules import SignInKind
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import Clock, system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import (
    AdsumError,
    ConfirmationNeeded,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    WrongSecondFactor,
)
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.secret_box import SecretBox, UnknownKey
from adsum.platform.signing_keys import SigningKey
from adsum.roster.people.service import People
from tests.accounts.conftest import KEY, new_factors, unused_attempts
from tests.accounts.second_factors.authenticator import Authenticator

EMAIL, OTHER = "ada@school.example", "bob@school.example"
PARTY = RelyingParty("adsum.example", "https://adsum.example")


class Times:
    """A clock that the test sets forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.ahead


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def services(database: Database, times: Times) -> tuple[SecondFactors, FactorVerifier]:
    return new_factors(database, unused_attempts(), times)


@pytest.fixture
def factors(services: tuple[SecondFactors, FactorVerifier]) -> SecondFactors:
    return services[0]


@pytest.fixture
def verifier(services: tuple[SecondFactors, FactorVerifier]) -> FactorVerifier:
    return services[1]


async def user(accounts: Accounts, tokens: Tokens, email: str = EMAIL) -> Caller:
    """A user who is signed in, as they are in requests after their first factor was added."""
    await accounts.add_user(email, Role.ADMIN, password="violet kettle drum")
    caller = await tokens.caller_of((await tokens.create(email, kind=SignInKind.API)).text)
    return replace(caller, lacks_second_factor=False)


def prover(number: int = 0, purpose: str = "here", party: RelyingParty | None = PARTY) -> Prover:
    return Prover(CodeAttempt(f"sign-in {number}", f"account {number}", "source", None), purpose, party)


async def add_app(
    factors: SecondFactors, caller: Caller, name: str = "phone", clock: Clock = system_clock
) -> tuple[TOTP, list[str]]:
    setup = await factors.new_app(caller)
    app = TOTP(setup.secret)
    return app, await factors.add_app(caller, setup.sealed, app.at(clock()), name)


async def add_passkey(factors: SecondFactors, caller: Caller, device: Authenticator) -> list[str]:
    return await factors.add_passkey(
        caller, PARTY, device.create(await factors.options_to_register(caller, PARTY)), "key"
    )


async def successes(calls: list[Awaitable[object]]) -> int:
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, AdsumError) for each in outcomes if isinstance(each, BaseException)), outcomes
    return sum(not isinstance(each, BaseException) for each in outcomes)


async def test_an_app_counts_once_its_code_is_right(
    factors: SecondFactors, verifier: FactorVerifier, accounts: Accounts, tokens: Tokens, times: Times
) -> None:
    ada = await user(accounts, tokens)
    setup = await factors.new_app(ada)
    assert await verifier.kinds_of(ada.user_id or 0) == ()
    with pytest.raises(Invalid) as refused:
        await factors.add_app(ada, setup.sealed, "000000", "")
    assert [each.code for each in refused.value.violations] == ["wrong_factor_name", "wrong_second_factor"]
    assert await factors.reopened_app(ada, setup.sealed) == setup
    bob = await user(accounts, tokens, OTHER)
    with pytest.raises(NotFound):
        await factors.add_app(bob, setup.sealed, TOTP(setup.secret).now(), "stolen")
    times.ahead = timedelta(minutes=30)
    with pytest.raises(NotFound):
        await factors.add_app(ada, setup.sealed, TOTP(setup.secret).at(times()), "late")
    with pytest.raises(NotFound):
        await factors.reopened_app(ada, "v1.%%%")
    app, codes = await add_app(factors, ada, clock=times)
    assert len(codes) == 10
    own = await factors.own(ada)
    assert ([each.name for each in own.apps], own.count, own.recovery_codes) == (["phone"], 1, 10)
    assert await verifier.kinds_of(ada.user_id or 0) == (FactorKind.TOTP, FactorKind.RECOVERY_CODE)
    # The code that has confirmed the secret is used up.
    with pytest.raises(WrongSecondFactor):
        await verifier.prove(ada.user_id or 0, Proof(app.at(times())), prover())
    second, none = await add_app(factors, ada, "tablet", times)
    assert none == []
    times.ahead += timedelta(seconds=60)
    for each in (app, second):
        assert await verifier.prove(ada.user_id or 0, Proof(each.at(times())), prover()) is FactorKind.TOTP


async def test_of_many_proofs_with_one_code_one_succeeds(
    factors: SecondFactors, verifier: FactorVerifier, accounts: Accounts, tokens: Tokens, times: Times
) -> None:
    ada = await user(accounts, tokens)
    app, codes = await add_app(factors, ada)
    times.ahead = timedelta(seconds=60)
    user_id = ada.user_id or 0
    for code in (app.at(times()), codes[0]):
        assert await successes([verifier.prove(user_id, Proof(code), prover(number)) for number in range(5)]) == 1
    assert (await factors.own(ada)).recovery_codes == 9
    with pytest.raises(WrongSecondFactor):
        await verifier.prove((await user(accounts, tokens, OTHER)).user_id or 0, Proof(codes[1]), prover())
    new = await factors.renew_recovery_codes(ada)
    with pytest.raises(WrongSecondFactor):
        await verifier.prove(user_id, Proof(codes[1]), prover(6))
    assert await verifier.prove(user_id, Proof(new[0].upper()), prover(7)) is FactorKind.RECOVERY_CODE


async def test_the_first_factor_ends_all_other_sign_ins_and_makes_codes_once(
    factors: SecondFactors, accounts: Accounts, tokens: Tokens
) -> None:
    ada = await user(accounts, tokens)
    other = (await tokens.create(EMAIL, kind=SignInKind.API)).text
    devices = [Authenticator() for _ in range(3)]
    answers = [device.create(await factors.options_to_register(ada, PARTY)) for device in devices]
    added = await asyncio.gather(*(factors.add_passkey(ada, PARTY, each, "key") for each in answers))
    assert sorted(map(len, added)) == [0, 0, 10]
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(other)
    assert [each.id for each in await tokens.sign_ins_of(ada)] == [ada.sign_in_id]
    with pytest.raises(Conflict):
        await factors.add_passkey(ada, PARTY, answers[0], "again")


async def test_a_passkey_proves_once_per_challenge_and_only_for_its_user(
    factors: SecondFactors, verifier: FactorVerifier, accounts: Accounts, tokens: Tokens
) -> None:
    ada, bob = await user(accounts, tokens), await user(accounts, tokens, OTHER)
    device = Authenticator(counter=None)
    await add_passkey(factors, ada, device)
    ada_id = ada.user_id or 0
    answer = device.get(await verifier.options_to_prove(ada_id, "here", PARTY))
    calls = [verifier.prove(ada_id, Proof(passkey=answer), prover(number)) for number in range(4)]
    assert await successes([*calls]) == 1
    foreign = device.get(await verifier.options_to_prove(bob.user_id or 0, "here", PARTY))
    with pytest.raises(WrongSecondFactor):
        await verifier.prove(bob.user_id or 0, Proof(passkey=foreign), prover())
    with pytest.raises(WrongSecondFactor):
        await verifier.prove(ada_id, Proof(passkey=foreign), prover(party=None))
    unknown = Authenticator().get(await verifier.options_to_prove(ada_id, "here", PARTY))
    with pytest.raises(WrongSecondFactor):
        await verifier.prove(ada_id, Proof(passkey=unknown), prover())


async def test_a_passkey_signs_in_its_user_by_a_handle_that_is_random(
    factors: SecondFactors, verifier: FactorVerifier, accounts: Accounts, tokens: Tokens
) -> None:
    ada, bob = await user(accounts, tokens), await user(accounts, tokens, OTHER)
    device, others = Authenticator(), Authenticator()
    await add_passkey(factors, ada, device)
    await add_passkey(factors, bob, others)
    assert (len(device.handle), device.handle == others.handle) == (43, False)
    here = await verifier.options_to_sign_in("browser", PARTY)
    assert await verifier.user_of_passkey(device.get(here), "browser", PARTY) == ada.user_id
    for wrong in (replace(device, handle=others.handle), Authenticator(handle=device.handle)):
        answer = wrong.get(await verifier.options_to_sign_in("browser", PARTY))
        with pytest.raises(WrongSecondFactor):
            await verifier.user_of_passkey(answer, "browser", PARTY)
    for options, passkey in (
        (await verifier.options_to_sign_in("another browser", PARTY), device),
        (await verifier.options_to_sign_in("browser", PARTY), replace(device, verifies_user=False)),
    ):
        with pytest.raises(WrongSecondFactor):
            await verifier.user_of_passkey(passkey.get(options), "browser", PARTY)


async def test_factors_are_renamed_and_removed_by_their_owner_alone(
    factors: SecondFactors, accounts: Accounts, tokens: Tokens
) -> None:
    ada, bob = await user(accounts, tokens), await user(accounts, tokens, OTHER)
    await add_app(factors, ada)
    (app,) = (await factors.own(ada)).apps
    for call in (factors.rename(bob, FactorKind.TOTP, app.id, "x"), factors.remove(bob, FactorKind.TOTP, app.id)):
        with pytest.raises(NotFound):
            await call
    await factors.rename(ada, FactorKind.TOTP, app.id, " my phone ")
    assert [each.name for each in (await factors.own(ada)).apps] == ["my phone"]
    await factors.remove(ada, FactorKind.TOTP, app.id)
    own = await factors.own(ada)
    assert (own.count, own.recovery_codes) == (0, 0)
    with pytest.raises(NotFound):
        await factors.renew_recovery_codes(ada)
    key = replace(ada, key_id=1)
    with pytest.raises(Forbidden):
        await factors.own(key)


async def test_changes_need_a_confirmed_sign_in(factors: SecondFactors, accounts: Accounts, tokens: Tokens) -> None:
    ada = await user(accounts, tokens)
    late = replace(ada, needs_confirmation=True)
    for call in (
        factors.new_app(late),
        factors.reopened_app(late, ""),
        factors.add_app(late, "", "", ""),
        factors.options_to_register(late, PARTY),
        factors.add_passkey(late, PARTY, "", ""),
        factors.remove(late, FactorKind.TOTP, 1),
        factors.renew_recovery_codes(late),
    ):
        with pytest.raises(ConfirmationNeeded):
            await call
    gone = replace(ada, user_id=4711)
    with pytest.raises(Unauthenticated):
        await factors.new_app(gone)


async def test_changes_need_a_proved_factor_if_there_is_one_and_there_are_not_too_many(
    factors: SecondFactors, accounts: Accounts, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await user(accounts, tokens)
    monkeypatch.setattr("adsum.accounts.second_factors.service.MAX_FACTORS", 1)
    assert MAX_FACTORS > 1
    unproved = replace(ada, lacks_second_factor=True)
    await add_app(factors, unproved)  # the first factor, of a user who has none to prove
    for call in (
        factors.new_app(unproved),
        factors.options_to_register(unproved, PARTY),
        factors.add_passkey(unproved, PARTY, "", "key"),
        factors.remove(unproved, FactorKind.TOTP, 1),
        factors.renew_recovery_codes(unproved),
    ):
        with pytest.raises(ConfirmationNeeded):
            await call
    with pytest.raises(Conflict):
        await add_app(factors, ada)


async def test_a_setup_that_is_sent_twice_adds_one_app(
    factors: SecondFactors, accounts: Accounts, tokens: Tokens
) -> None:
    ada = await user(accounts, tokens)
    setup = await factors.new_app(ada)
    code = TOTP(setup.secret).at(system_clock())
    assert await successes([factors.add_app(ada, setup.sealed, code, "phone") for _ in range(3)]) == 1
    assert (await factors.own(ada)).count == 1
    with pytest.raises(FactorExists):
        await factors.add_app(ada, setup.sealed, code, "phone")


async def test_a_role_that_needs_a_factor_keeps_the_last_one(
    database: Database, accounts: Accounts, tokens: Tokens
) -> None:
    factors, verifier = new_factors(database, unused_attempts(), required_for=[Role.ADMIN])
    ada = await user(accounts, tokens)
    await add_app(factors, ada)
    own = await factors.own(ada)
    assert own.is_required
    with pytest.raises(LastFactor):
        await factors.remove(ada, FactorKind.TOTP, own.apps[0].id)
    device = Authenticator()
    await add_passkey(factors, ada, device)
    await factors.remove(ada, FactorKind.TOTP, own.apps[0].id)
    assert await verifier.kinds_of(ada.user_id or 0) == (FactorKind.PASSKEY, FactorKind.RECOVERY_CODE)


async def test_a_reset_removes_all_factors_and_ends_all_sign_ins(
    factors: SecondFactors, verifier: FactorVerifier, accounts: Accounts, people: People, tokens: Tokens
) -> None:
    ada = await user(accounts, tokens)
    await add_app(factors, ada)
    await add_passkey(factors, ada, Authenticator())
    assert [await people.reset_factors(EMAIL.upper(), system_caller()) for _ in range(2)] == [True, False]
    assert await verifier.kinds_of(ada.user_id or 0) == ()
    assert await tokens.sign_ins_of_email(EMAIL) == []
    with pytest.raises(NotFound):
        await people.reset_factors("nobody@school.example", system_caller())


async def test_secrets_are_encrypted_and_survive_a_rotation_of_keys(
    database: Database, accounts: Accounts, tokens: Tokens, times: Times
) -> None:
    old, new = SigningKey(KEY), SigningKey("n" * 40)
    before, _ = new_factors(database, unused_attempts(), times)
    ada = await user(accounts, tokens)
    app, _ = await add_app(before, ada)
    async with database.snapshot() as connection:
        (stored,) = await apps_of_user(connection, ada.user_id or 0)
    assert app.secret not in stored.sealed_secret
    overlapping, alone = KeyRing(lambda: (new, old)), KeyRing.of(new.secret)
    for keys, works in ((alone, False), (overlapping, True), (alone, True)):
        times.ahead += timedelta(seconds=60)
        _, verifier = new_factors(database, unused_attempts(), times, keys=keys)
        calls: list[Awaitable[object]] = [verifier.prove(ada.user_id or 0, Proof(app.at(times())), prover())]
        assert await successes(calls) == works


def test_a_sealed_text_belongs_to_its_owner() -> None:
    box = SecretBox(KeyRing.of(KEY), KeyPurpose.SECOND_FACTORS)
    sealed = box.seal("secret", "ada")
    assert box.open(sealed, "ada", is_stored=True).text == "secret"
    assert box.seal("secret", "ada") != sealed
    for text, owner in (
        (sealed, "bob"),
        (sealed[:-4] + "AAAA", "ada"),
        ("", "ada"),
        ("v1.abc", "ada"),
        ("v1.\ud800", "ada"),
    ):
        with pytest.raises(UnknownKey):
            box.open(text, owner, is_stored=False)


class Importers(MetaPathFinder):
    """Notes whether webauthn is imported in the thread of the event loop, which would answer nobody meanwhile."""

    def __init__(self) -> None:
        self.are_main: list[bool] = []

    @override
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname.partition(".")[0] == "webauthn":
            self.are_main.append(threading.current_thread() is threading.main_thread())


async def test_the_library_of_passkeys_is_imported_in_a_thread(
    factors: SecondFactors,
    verifier: FactorVerifier,
    accounts: Accounts,
    tokens: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = await user(accounts, tokens)
    importers = Importers()
    monkeypatch.setattr("sys.meta_path", [importers, *sys.meta_path])
    for call in (
        lambda: factors.options_to_register(ada, PARTY),
        lambda: factors.add_passkey(ada, PARTY, "{}", "key"),
        lambda: verifier.options_to_prove(ada.user_id or 0, "here", PARTY),
        lambda: verifier.options_to_sign_in("browser", PARTY),
        lambda: verifier.user_of_passkey("{}", "browser", PARTY),
        lambda: verifier.prove(ada.user_id or 0, Proof(passkey="{}"), prover()),
    ):
        for name in [each for each in sys.modules if each.partition(".")[0] == "webauthn"]:
            monkeypatch.delitem(sys.modules, name)
        importers.are_main.clear()
        with contextlib.suppress(WrongSecondFactor):
            await call()
        assert set(importers.are_main) == {False}
