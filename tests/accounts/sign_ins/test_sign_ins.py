"""Sign-ins of users: listed, ended, and over after a time without use."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import Select, insert, select
from starlette.requests import Request

from adsum.accounts.access import Caller, Role, system_caller
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins import repository
from adsum.accounts.sign_ins.rules import SignInKind
from adsum.accounts.sign_ins.tokens import NOTED_EVERY, Tokens
from adsum.accounts.tables import sign_ins
from adsum.accounts.visitors import is_use
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database, StorageOutage, open_database
from adsum.platform.errors import Forbidden, NotFound, Unauthenticated
from adsum.platform.keys import KeyRing
from adsum.platform.settings import Settings
from tests.accounts.conftest import KEY
from tests.support.schools import make_user
from tests.support.waiting import has_transaction_waiting_for_a_lock, until

ADA, BOB = "ada@school.example", "bob@school.example"
IDLE = timedelta(minutes=30)


class Times:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
async def tokens(database: Database, times: Times) -> Tokens:
    async with database.transaction() as connection:
        for email in (ADA, BOB):
            await make_user(connection, Role.ADMIN, email=email, password_hash="-")
    return Tokens(database, KeyRing.of(KEY), times, timedelta(hours=12), IDLE)


async def sign_in(tokens: Tokens, email: str = ADA, kind: SignInKind = SignInKind.PAGE, agent: str = "") -> str:
    return (await tokens.create(email, kind=kind, agent=agent)).text


async def is_signed_in(tokens: Tokens, token: str, *, is_use: bool = True) -> bool:
    try:
        await tokens.caller_of(token, is_use=is_use)
    except Unauthenticated:
        return False
    return True


async def noted(tokens: Tokens) -> None:
    await asyncio.gather(*tokens._pending_uses.values())  # pyright: ignore[reportPrivateUsage]


async def test_a_user_lists_and_ends_their_own_sign_ins(tokens: Tokens, database: Database, times: Times) -> None:
    first = await sign_in(tokens, agent="Firefox\n" + "x" * 300)
    second = await sign_in(tokens, kind=SignInKind.API)
    of_bob = await sign_in(tokens, BOB)
    caller = await tokens.caller_of(second)
    listed = await tokens.sign_ins_of(caller)
    assert [each.kind for each in listed] == [SignInKind.API, SignInKind.PAGE]
    assert listed[0].id == caller.sign_in_id
    assert listed[1].agent == "Firefox" + "x" * 248
    assert listed[1].ends_at - listed[1].created_at == timedelta(hours=12)

    bob = await tokens.caller_of(of_bob)
    assert bob.sign_in_id is not None
    with pytest.raises(NotFound):
        await tokens.end(caller, bob.sign_in_id)
    other_process = Tokens(database, KeyRing.of(KEY), times, timedelta(hours=12), IDLE)
    assert await is_signed_in(other_process, first)
    await tokens.end(caller, listed[1].id)
    assert not await is_signed_in(other_process, first)
    assert await is_signed_in(tokens, second)
    assert await is_signed_in(tokens, of_bob)


async def test_all_other_sign_ins_are_ended(tokens: Tokens) -> None:
    first, second, of_bob = await sign_in(tokens), await sign_in(tokens), await sign_in(tokens, BOB)
    await tokens.end_others(await tokens.caller_of(second))
    assert [await is_signed_in(tokens, each) for each in (first, second, of_bob)] == [False, True, True]


async def test_a_revoked_token_is_refused_and_one_that_is_not_valid_is_ignored(tokens: Tokens) -> None:
    first, second = await sign_in(tokens), await sign_in(tokens)
    await tokens.revoke(first)
    await tokens.revoke(first)
    await tokens.revoke("not a token")
    assert [await is_signed_in(tokens, each) for each in (first, second)] == [False, True]


async def test_the_command_line_lists_and_ends_the_sign_ins_of_a_user(tokens: Tokens) -> None:
    first, second, of_bob = await sign_in(tokens), await sign_in(tokens), await sign_in(tokens, BOB)
    newest, _ = await tokens.sign_ins_of_email(f" {ADA.upper()}")
    await tokens.end_of_email(ADA, newest.id)
    assert [await is_signed_in(tokens, each) for each in (first, second)] == [True, False]
    with pytest.raises(NotFound):
        await tokens.end_of_email(BOB, newest.id)
    await tokens.end_of_email(ADA)
    assert [await is_signed_in(tokens, each) for each in (first, of_bob)] == [False, True]
    for call in (tokens.sign_ins_of_email, tokens.end_of_email):
        with pytest.raises(NotFound):
            await call("nobody@school.example")


async def test_a_sign_in_on_the_page_ends_without_use(tokens: Tokens, times: Times) -> None:
    page, program = await sign_in(tokens), await sign_in(tokens, kind=SignInKind.API)
    caller = await tokens.caller_of(program)
    for _ in range(3):
        times.now += IDLE - timedelta(seconds=1)
        assert await is_signed_in(tokens, page)
        await noted(tokens)
    times.now += IDLE
    assert not await is_signed_in(tokens, page)
    assert await is_signed_in(tokens, program)
    assert [each.id for each in await tokens.sign_ins_of(caller)] == [caller.sign_in_id]


async def test_requests_that_are_no_use_do_not_postpone_the_end(tokens: Tokens, times: Times) -> None:
    page = await sign_in(tokens)
    times.now += IDLE - timedelta(seconds=1)
    assert await is_signed_in(tokens, page, is_use=False)
    await noted(tokens)
    times.now += timedelta(seconds=1)
    assert not await is_signed_in(tokens, page)


async def test_use_is_noted_once_a_minute(tokens: Tokens, times: Times) -> None:
    token = await sign_in(tokens)
    began = (await tokens.sign_ins_of_email(ADA))[0].last_used_at
    times.now += NOTED_EVERY / 2
    await tokens.caller_of(token)
    await noted(tokens)
    assert (await tokens.sign_ins_of_email(ADA))[0].last_used_at == began
    times.now += NOTED_EVERY
    await asyncio.gather(*(tokens.caller_of(token) for _ in range(3)))
    await tokens.close()
    assert (await tokens.sign_ins_of_email(ADA))[0].last_used_at == times.now


async def test_constant_use_keeps_a_visitor_signed_in_at_the_minimum_of_the_setting(
    tokens: Tokens, database: Database, times: Times
) -> None:
    minimum = timedelta(seconds=60)
    with pytest.raises(ValidationError):
        Settings(idle_timeout=int(minimum.total_seconds()) - 1)
    tokens = Tokens(database, KeyRing.of(KEY), times, timedelta(hours=12), minimum)
    token = await sign_in(tokens)
    for _ in range(12):
        times.now += timedelta(seconds=10)
        assert await is_signed_in(tokens, token)
        await noted(tokens)
    times.now += minimum
    assert not await is_signed_in(tokens, token)


async def test_a_use_that_cannot_be_noted_fails_no_request(
    tokens: Tokens, times: Times, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await sign_in(tokens)
    times.now += NOTED_EVERY

    def fails() -> None:
        raise StorageOutage("away")

    monkeypatch.setattr(database, "transaction", fails)
    assert await is_signed_in(tokens, token)
    await noted(tokens)


async def test_a_clock_that_was_set_back_ends_no_sign_in(tokens: Tokens, times: Times) -> None:
    token = await sign_in(tokens)
    times.now -= timedelta(days=1)
    assert await is_signed_in(tokens, token)


async def test_sign_ins_that_have_ended_are_not_listed_and_deleted_at_the_next_one(
    tokens: Tokens, accounts: Accounts, times: Times
) -> None:
    await sign_in(tokens)
    await accounts.set_password(ADA, "violet kettle drum")
    assert await tokens.sign_ins_of_email(ADA) == []
    await sign_in(tokens, kind=SignInKind.API)
    times.now += timedelta(hours=12)
    assert await tokens.sign_ins_of_email(ADA) == []
    token = await sign_in(tokens)
    times.now -= timedelta(hours=12)
    caller = await tokens.caller_of(token)
    assert [each.id for each in await tokens.sign_ins_of(caller)] == [caller.sign_in_id]


async def test_a_user_has_a_limited_number_of_sign_ins(
    tokens: Tokens, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_SIGN_INS", 2)
    of_bob, unused, used = await sign_in(tokens, BOB), await sign_in(tokens), await sign_in(tokens)
    times.now += NOTED_EVERY
    assert await is_signed_in(tokens, used)
    await noted(tokens)
    newest = await sign_in(tokens)
    assert [await is_signed_in(tokens, each) for each in (of_bob, unused, used, newest)] == [True, False, True, True]


async def test_a_program_that_signs_in_often_ends_no_sign_in_of_another_kind(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_SIGN_INS", 2)
    page, command = await sign_in(tokens), await sign_in(tokens, kind=SignInKind.COMMAND)
    first, *others = [await sign_in(tokens, kind=SignInKind.API) for _ in range(3)]
    assert not await is_signed_in(tokens, first)
    assert all([await is_signed_in(tokens, each) for each in (page, command, *others)])


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {"Accept": "text/html"}, True),
        ("POST", {"Accept": "application/json"}, True),
        ("GET", {"Accept": "text/html", "HX-Request": "true"}, False),
        ("GET", {"Accept": "application/json"}, False),
        ("GET", {"Accept": "text/event-stream"}, False),
    ],
)
def test_what_an_open_page_sends_by_itself_is_no_use(method: str, headers: dict[str, str], expected: bool) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert is_use(Request({"type": "http", "method": method, "headers": raw})) is expected


async def test_several_sign_ins_are_locked_in_the_order_of_their_ids(postgres_url: str, times: Times) -> None:
    database = open_database(postgres_url)
    async with database.transaction() as connection:
        user_id = await make_user(connection, Role.ADMIN, email=ADA, password_hash="-")
        row = {"user_id": user_id, "kind": SignInKind.PAGE, "generation": 0}
        row |= {"created_at": times(), "last_used_at": times(), "ends_at": times() + IDLE}
        for number in (3, 2, 1):  # the order in which Postgres finds them
            await connection.execute(insert(sign_ins).values(id=number, key=str(number), **row))

    def locking(number: int) -> Select[tuple[int]]:
        return select(sign_ins.c.id).where(sign_ins.c.id == number).with_for_update(nowait=True)

    tokens = Tokens(database, KeyRing.of(KEY), times, timedelta(hours=12))
    async with database.transaction() as other:
        await other.execute(locking(1))
        caller = Caller(Role.ADMIN, frozenset(), user_id=user_id, sign_in_id=3)
        ending = asyncio.create_task(tokens.end_others(caller))
        await until(lambda: has_transaction_waiting_for_a_lock(database))
        await other.execute(locking(2))
    await ending
    await database.close()


@pytest.mark.parametrize("caller", [system_caller(), Caller(Role.TEACHER, frozenset(), user_id=1, key_id=2)])
async def test_only_users_have_sign_ins(tokens: Tokens, caller: Caller) -> None:
    with pytest.raises(Forbidden):
        await tokens.sign_ins_of(caller)
    with pytest.raises(Forbidden):
        await tokens.end_others(caller)
    with pytest.raises(Forbidden):
        await tokens.end(caller, 1)
