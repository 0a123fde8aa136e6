"""Tokens and device cookies while signing keys rotate, and tokens that name the wrong key."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from adsum.accounts.access import Role
from adsum.accounts.sign_ins.devices import Devices
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unauthenticated
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.signing_keys import SigningKey
from tests.support.schools import make_user

EMAIL = "a@school.example"
OLD, NEW = SigningKey("o" * 40), SigningKey("n" * 40)
OVERLAP = timedelta(days=30)


class Rotation:
    """A ring whose keys and clock a test changes, with the services that use it."""

    def __init__(self, database: Database) -> None:
        self.moment = system_clock()
        self.signing_keys: tuple[SigningKey, ...] = (OLD,)
        self.ring = KeyRing(lambda: self.signing_keys, self.now)
        self.tokens = Tokens(database, self.ring, self.now, timedelta(days=60))
        self.devices = Devices(self.ring, self.now)

    def now(self) -> datetime:
        return self.moment

    def rotate(self) -> None:
        self.signing_keys = (NEW, SigningKey(OLD.secret, self.moment + OVERLAP))

    async def accepts(self, token: str) -> bool:
        try:
            await self.tokens.caller_of(token)
        except Unauthenticated:
            return False
        return True


@pytest.fixture
async def rotation(database: Database) -> Rotation:
    async with database.transaction() as connection:
        await make_user(connection, Role.ADMIN, None, email=EMAIL, password_hash="-")
    return Rotation(database)


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})  # pyright: ignore[reportUnknownMemberType]


def signed(claims: dict[str, Any], key: str | bytes, headers: dict[str, Any] | None = None) -> str:
    return jwt.encode(claims, key, "HS256", headers)  # pyright: ignore[reportUnknownMemberType]


async def test_a_token_of_an_earlier_key_is_valid_until_the_end_of_the_key(rotation: Rotation) -> None:
    before = (await rotation.tokens.create(EMAIL)).text
    assert await rotation.accepts(before)
    rotation.rotate()
    after = (await rotation.tokens.create(EMAIL)).text
    assert jwt.get_unverified_header(before)["kid"] == OLD.id
    assert jwt.get_unverified_header(after)["kid"] == NEW.id
    rotation.moment += OVERLAP - timedelta(seconds=1)
    assert await rotation.accepts(before)
    rotation.moment += timedelta(seconds=1)
    assert not await rotation.accepts(before)
    assert await rotation.accepts(after)


async def test_a_verified_token_of_a_key_that_is_removed_is_refused(rotation: Rotation) -> None:
    token = (await rotation.tokens.create(EMAIL)).text
    assert await rotation.accepts(token)
    rotation.signing_keys = (NEW,)
    assert not await rotation.accepts(token)


async def test_a_key_that_does_not_sign_yet_verifies(rotation: Rotation, database: Database) -> None:
    first_machine = Rotation(database)
    first_machine.signing_keys = (NEW, OLD)
    rotation.signing_keys = (OLD, NEW)
    assert await rotation.accepts((await first_machine.tokens.create(EMAIL)).text)
    assert await first_machine.accepts((await rotation.tokens.create(EMAIL)).text)


async def test_a_token_without_a_key_id_was_signed_by_a_signing_key_itself(rotation: Rotation) -> None:
    claims = claims_of((await rotation.tokens.create(EMAIL)).text)
    earlier_version = signed(claims, OLD.secret)
    rotation.rotate()
    assert await rotation.accepts(earlier_version)
    rotation.moment += OVERLAP
    assert not await rotation.accepts(earlier_version)


async def test_a_token_that_names_the_wrong_key_is_refused(rotation: Rotation) -> None:
    rotation.rotate()
    claims = claims_of((await rotation.tokens.create(EMAIL)).text)
    old, new = rotation.ring.all_derived(KeyPurpose.TOKENS)[::-1]
    assert await rotation.accepts(signed(claims, new.secret, {"kid": NEW.id}))
    refused = {
        "of another key": signed(claims, old.secret, {"kid": NEW.id}),
        "unknown": signed(claims, new.secret, {"kid": "0" * 16}),
        "empty": signed(claims, new.secret, {"kid": ""}),
        "missing": signed(claims, new.secret),
        "of the key itself": signed(claims, NEW.secret, {"kid": NEW.id}),
        "of another purpose": signed(claims, rotation.ring.derive(KeyPurpose.DEVICES).secret, {"kid": NEW.id}),
        "a path": signed(claims, new.secret, {"kid": "../../dev/null"}),
        "a URL of keys": signed(claims, "attacker" * 8, {"kid": NEW.id, "jku": "https://attacker.example/keys"}),
    }
    assert {name: await rotation.accepts(token) for name, token in refused.items()} == dict.fromkeys(refused, False)
    header, payload, signature = signed(claims, new.secret, {"kid": NEW.id}).split(".")
    with pytest.raises(Unauthenticated):
        await rotation.tokens.caller_of(f"{header}x.{payload}.{signature}")


async def test_a_device_is_known_until_the_end_of_its_key(rotation: Rotation) -> None:
    cookie = rotation.devices.remember(None, EMAIL)
    rotation.rotate()
    assert rotation.devices.recognise(cookie, EMAIL)
    rotation.moment += OVERLAP
    assert rotation.devices.recognise(cookie, EMAIL) is None


async def test_a_device_cookie_of_an_earlier_version_is_known(rotation: Rotation) -> None:
    ends_at = int((rotation.moment + timedelta(days=300)).timestamp())
    assert rotation.devices.recognise(earlier_cookie(ends_at, EMAIL), EMAIL)
    assert rotation.devices.recognise(earlier_cookie(ends_at, "b@school.example"), EMAIL) is None


def earlier_cookie(ends_at: int, email: str) -> str:
    content = f"device cookie|{ends_at}|{'d' * 16}|{email}".encode()
    return f"{ends_at}.{'d' * 16}.{hmac.new(OLD.secret.encode(), content, hashlib.sha256).hexdigest()[:32]}"
