from __future__ import annotations

import base64
import json
import warnings
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import update

from adsum.accounts.access import PERMISSIONS, Role
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.accounts.tables import users
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError, NotFound, Unauthenticated
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.roster.people.service import People
from tests.accounts.conftest import KEY
from tests.support.people import disable, enable
from tests.support.schools import make_bare_school, make_user

EMAIL = "a@school.example"
SIGNS = KeyRing.of(KEY).derive(KeyPurpose.TOKENS)


async def new_user(database: Database, role: Role = Role.ADMIN, school_id: int | None = None) -> int:
    async with database.transaction() as connection:
        return await make_user(connection, role, school_id, email=EMAIL, password_hash="-")


async def claims_of(tokens: Tokens, **changed: Any) -> dict[str, Any]:
    """Returns the claims of a new token, with these changes; None removes a claim."""
    token = (await tokens.create(EMAIL)).text
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})  # pyright: ignore[reportUnknownMemberType]
    return {name: value for name, value in (claims | changed).items() if value is not None}


def signed(claims: dict[str, Any], key: bytes | None = SIGNS.secret, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm, {"kid": SIGNS.key_id})  # pyright: ignore[reportUnknownMemberType, reportArgumentType]


def signed_by_sha384(claims: dict[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
        return signed(claims, algorithm="HS384")


async def assert_refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(text)


async def test_a_token_names_its_user_role_and_permissions(tokens: Tokens, database: Database) -> None:
    user_id = await new_user(database)
    token = await tokens.create(" A@School.example")
    caller = await tokens.caller_of(token.text)
    assert token.expires_in == 12 * 3600
    assert (caller.user_id, caller.key_id, caller.role) == (user_id, None, Role.ADMIN)
    assert caller.permissions == PERMISSIONS[Role.ADMIN]
    assert caller.schools is None


@pytest.mark.every_case
@pytest.mark.parametrize("role", [Role.OFFICE, Role.TEACHER, Role.VIEWER, Role.OPERATOR])
async def test_every_user_but_an_admin_sees_only_their_school(tokens: Tokens, database: Database, role: Role) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
    await new_user(database, role, school_id)
    caller = await tokens.caller_of((await tokens.create(EMAIL)).text)
    assert caller.schools == {school_id}
    assert caller.permissions == PERMISSIONS[role]


async def test_a_role_without_its_school_sees_no_school(tokens: Tokens, database: Database) -> None:
    await new_user(database, Role.OFFICE)
    assert (await tokens.caller_of((await tokens.create(EMAIL)).text)).schools == frozenset()


async def test_a_token_contains_no_personal_data(tokens: Tokens, database: Database) -> None:
    await new_user(database)
    payload = (await tokens.create(EMAIL)).text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims.keys() == {"sub", "sid", "iat", "exp"}


async def test_forged_tokens_are_refused(tokens: Tokens, database: Database) -> None:
    user_id = await new_user(database)
    good = await claims_of(tokens)
    assert (await tokens.caller_of(signed(good))).user_id == user_id
    header, payload, _ = signed(good).split(".")
    other = await claims_of(tokens)
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    forged = {
        "another key": signed(good, b"x" * 40),
        "the signing key itself": signed(good, KEY.encode()),
        "no algorithm": signed(good, None, "none"),
        "no algorithm, old signature": f"{unsigned}.{payload}.{signed(good).split('.')[2]}",
        "another algorithm": signed_by_sha384(good),
        "no signature": f"{header}.{payload}.",
        "another payload": f"{header}.{signed(other).split('.')[1]}.{signed(good).split('.')[2]}",
        "no token": "not.a.token",
        "nothing": "",
        "not ASCII": "é.é.é",
    }
    for text in forged.values():
        await assert_refused(tokens, text)


@pytest.mark.every_case
@pytest.mark.parametrize("claim", ["sub", "sid", "iat", "exp"])
async def test_a_token_without_a_claim_is_refused(tokens: Tokens, database: Database, claim: str) -> None:
    await new_user(database)
    await assert_refused(tokens, signed(await claims_of(tokens, **{claim: None})))


@pytest.mark.every_case
@pytest.mark.parametrize("subject", ["0", "-1", "1e3", "a@school.example", str(2**63), "\uff19", "9" * 5000])
async def test_a_subject_that_is_not_a_user_is_refused(tokens: Tokens, database: Database, subject: str) -> None:
    await new_user(database)
    await assert_refused(tokens, signed(await claims_of(tokens, sub=subject)))


async def test_an_expired_token_is_refused(tokens: Tokens, database: Database) -> None:
    await new_user(database)
    past = system_clock() - timedelta(seconds=1)
    await assert_refused(tokens, signed(await claims_of(tokens, exp=past)))
    yesterday = Tokens(database, KeyRing.of(KEY), lambda: system_clock() - timedelta(days=1), timedelta(hours=12))
    await assert_refused(tokens, (await yesterday.create(EMAIL)).text)


async def test_a_cached_token_is_refused_once_it_has_expired(database: Database) -> None:
    await new_user(database)
    moment = system_clock()
    tokens = Tokens(database, KeyRing.of(KEY), lambda: moment, timedelta(hours=12))
    token = (await tokens.create(EMAIL, timedelta(minutes=30))).text
    await tokens.caller_of(token)
    moment += timedelta(minutes=30)
    await assert_refused(tokens, token)


async def test_a_token_has_the_requested_lifetime(tokens: Tokens, database: Database) -> None:
    await new_user(database)
    token = await tokens.create(EMAIL, timedelta(minutes=30))
    claims = jwt.decode(token.text, options={"verify_signature": False})  # pyright: ignore[reportUnknownMemberType]
    assert token.expires_in == claims["exp"] - claims["iat"] == 1800


@pytest.mark.every_case
@pytest.mark.parametrize("key", ["0" * 32, "x", 7, "\uff10" * 32])
async def test_a_token_without_its_sign_in_is_refused(tokens: Tokens, database: Database, key: object) -> None:
    await new_user(database)
    await assert_refused(tokens, signed(await claims_of(tokens, sid=key)))


async def test_a_token_is_of_the_user_of_its_sign_in(tokens: Tokens, database: Database) -> None:
    user_id = await new_user(database)
    await assert_refused(tokens, signed(await claims_of(tokens, sub=str(user_id + 1))))


async def test_disabling_ends_all_tokens_at_once_and_enabling_restores_none(
    tokens: Tokens, people: People, database: Database
) -> None:
    await new_user(database)
    token = (await tokens.create(EMAIL)).text
    await disable(people, EMAIL)
    await assert_refused(tokens, token)
    with pytest.raises(NotFound):
        await tokens.create(EMAIL)
    await enable(people, EMAIL)
    await assert_refused(tokens, token)
    assert await tokens.caller_of((await tokens.create(EMAIL)).text)


async def test_enabling_an_enabled_user_ends_no_tokens(tokens: Tokens, people: People, database: Database) -> None:
    await new_user(database)
    token = (await tokens.create(EMAIL)).text
    await enable(people, EMAIL)
    assert await tokens.caller_of(token)


async def test_a_new_password_ends_all_tokens(tokens: Tokens, accounts: Accounts, database: Database) -> None:
    await new_user(database)
    token = (await tokens.create(EMAIL)).text
    await accounts.set_password(EMAIL)
    await assert_refused(tokens, token)


async def test_an_unknown_email_gets_no_token(tokens: Tokens) -> None:
    with pytest.raises(NotFound):
        await tokens.create("nobody@school.example")


async def test_a_user_who_loses_the_email_has_no_token(tokens: Tokens, database: Database) -> None:
    await new_user(database)
    token = (await tokens.create(EMAIL)).text
    async with database.transaction() as connection:
        await connection.execute(update(users).values(email=None))
    await assert_refused(tokens, token)


async def test_without_a_secret_key_there_are_no_tokens(database: Database) -> None:
    await new_user(database)
    without_key = Tokens(database, KeyRing.of(None), system_clock, timedelta(hours=12))
    with pytest.raises(ConfigurationError, match="ADSUM_SECRET_KEY"):
        await without_key.create(EMAIL)
    with pytest.raises(ConfigurationError):
        await without_key.caller_of(signed({}))
