"""Sign-ins of users, and their bearer tokens."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any

from adsum.accounts import repository as users
from adsum.accounts.access import Caller, Role, system_caller
from adsum.accounts.audit.repository import record, record_about_user
from adsum.accounts.audit.rules import Action
from adsum.accounts.repository import StoredUser
from adsum.accounts.rules import WRONG, FirstPassword, FirstPasswordUsed, User, normalised_email
from adsum.accounts.service import caller_of_user
from adsum.accounts.sign_ins import repository as statements
from adsum.accounts.sign_ins.repository import ProviderSession, StoredSignIn
from adsum.accounts.sign_ins.rules import SignIn, SignInKind
from adsum.accounts.sign_ins.token_texts import Claims, Token, TokenTexts, signed
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.lookups import BatchedLookup
from adsum.platform.errors import (
    Forbidden,
    NotFound,
    PasswordChangeRequired,
    SecondFactorSetupRequired,
    SignInIncomplete,
    Unauthenticated,
    Unavailable,
)
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.telemetry import logger

# The longest time between two notes of the use of a sign-in, each of which is a write.
NOTED_EVERY = timedelta(minutes=1)
MAX_AGENT = 255

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Until when a sign-in counts as confirmed, and its new token."""

    until: datetime
    token: Token


class Outstanding(Enum):
    """A step that a signed-in user has to take before anything else, in the order in which they are asked for."""

    PASSWORD = PasswordChangeRequired("this user has a first password: choose your own with POST /auth/password")
    SECOND_FACTOR = SecondFactorSetupRequired("this role needs a second factor: set one up at /account/second-factors")

    @property
    def error(self) -> SignInIncomplete:
        """A new error that refuses anything else."""
        return type(self.value)(self.value.detail)


@dataclass(frozen=True, slots=True)
class SignInRequirements:
    """The requirements of sign-ins.

    Attributes:
        second_factor_roles: whose users need a second factor.
        confirmed_for: after which a sign-in has to be confirmed again before a critical action.
    """

    second_factor_roles: frozenset[Role] = frozenset()
    confirmed_for: timedelta = timedelta(minutes=10)


class Tokens:
    """Creates, verifies and ends tokens. Each belongs to a sign-in, which is a row of the database.

    The row is read for every request, in the statement that reads the user. So a sign-in that has ended is refused at
    once by all processes.

    Args:
        database: of the users.
        keys: the signing keys. Without one, creating or verifying a token raises ConfigurationError.
        now: the clock.
        lifetime: default lifetime of a token.
        idle_timeout: after which a sign-in on the page ends without use.
        requirements: of sign-ins.
    """

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        now: Clock,
        lifetime: timedelta,
        idle_timeout: timedelta = timedelta(hours=1),
        requirements: SignInRequirements | None = None,
    ) -> None:
        self.requirements = requirements or SignInRequirements()
        self._database = database
        self._sign_ins = BatchedLookup(database, statements.sign_ins_of_keys)
        self._keys = keys
        self._texts = TokenTexts(keys)
        self._now = now
        self._lifetime = lifetime
        self._idle_timeout = idle_timeout
        # Far below the idle timeout, else it ends sign-ins that are used all the time.
        self._noted_every = min(NOTED_EVERY, idle_timeout / 4)
        self._pending_uses: dict[str, asyncio.Task[None]] = {}

    async def create(  # noqa: PLR0913 - the columns of a row
        self,
        email: str,
        lifetime: timedelta | None = None,
        *,
        kind: SignInKind = SignInKind.COMMAND,
        agent: str = "",
        checked: User | None = None,
        has_second_factor: bool = False,
        provider: ProviderSession | None = None,
        by_password: bool = True,
        completes: str | None = None,
    ) -> Token:
        """Signs a user in and returns the token.

        Args:
            email: of the user.
            lifetime: of the token; None: the default.
            kind: how they sign in.
            agent: the browser or program, as it names itself.
            checked: the user as they were when their password, or their identity at a provider, was checked. None:
                neither was asked for, as on the command line.
            has_second_factor: whether a second factor was given.
            provider: at which they signed in; None: at none.
            by_password: False: a passkey was checked. Without a provider, a first password is used up otherwise.
            completes: the key of the pending sign-in that this one completes.

        Raises:
            NotFound: no enabled user has this email.
            FirstPasswordUsed: the user has signed in with this first password before.
            Unauthenticated: since the password was checked, the user was disabled, or has another one.
        """
        signs = self._keys.derive(KeyPurpose.TOKENS)
        # A whole second, as in the claims.
        now = self._now().replace(microsecond=0)
        ends_at = now + (lifetime or self._lifetime)
        key = secrets.token_hex(16)
        async with self._database.transaction() as connection:
            user = await users.user_of_email(connection, normalised_email(email), keep=True)
            uses_up = False
            if checked is not None:
                user = _require_unchanged(checked, user)
                uses_up = provider is None and by_password and await _use_up_first_password(connection, user)
            if user is None or user.disabled:
                raise NotFound("no enabled user has this email")
            await statements.insert_sign_in(
                *(connection, user),
                key=key,
                kind=kind,
                agent=_printable(agent)[:MAX_AGENT],
                now=now,
                ends_at=ends_at,
                has_second_factor=has_second_factor,
                provider=provider,
            )
            if completes is not None:
                await statements.delete_pending(connection, completes)
            content = _content(kind, provider, has_second_factor=has_second_factor)
            await _record_in_audit_log(connection, user, kind, content, uses_up_password=uses_up)
        return signed(signs, user.id, key, now, ends_at)

    async def caller_of(self, token: str, *, is_use: bool = True, despite: Collection[Outstanding] = ()) -> Caller:
        """The user of a token, as a caller.

        Args:
            token: the text.
            is_use: whether the request postpones the idle timeout. A page that updates itself does not.
            despite: the steps before which the request is allowed.

        Raises:
            Unauthenticated: the token is forged or expired, the sign-in has ended, or the user is disabled.
            SignInIncomplete: the user has to take another step first, such as choosing a password.
        """
        claims = self._texts.claims_of(token)
        now = self._now()
        if claims.ends_at <= now.timestamp():
            raise Unauthenticated("the token has expired")
        found = await self._sign_ins.find(claims.key)
        if found is None or not self._is_valid(found, claims, now):
            raise Unauthenticated("the token has ended")
        outstanding = self._outstanding(found)
        if outstanding is not None and outstanding not in despite:
            raise outstanding.error
        if is_use and now - found.last_used_at >= self._noted_every:
            self._begin_recording_use(found.key, now)
        return replace(
            caller_of_user(found.user),
            sign_in_id=found.id,
            needs_confirmation=self._needs_confirmation(found, now),
            lacks_second_factor=found.kind != SignInKind.COMMAND and not found.has_second_factor,
        )

    async def confirm(self, caller: Caller, *, by_factor: bool = False) -> Confirmed:
        """Notes that the user of this sign-in has just proved that it is them.

        The sign-in goes on under a new token: whoever has a copy of the present one cannot use the confirmation.
        `by_factor`: with a second factor, which the sign-in has from now on.

        Raises:
            Forbidden: the caller is an API key.
            Unauthenticated: the sign-in has ended meanwhile.
        """
        user_id, now = _user_id_of(caller), self._now()
        assert caller.sign_in_id is not None, "a user without a key has sent a token"
        signs, key = self._keys.derive(KeyPurpose.TOKENS), secrets.token_hex(16)
        async with self._database.transaction() as connection:
            ends_at = await statements.confirm_sign_in(
                connection, user_id, caller.sign_in_id, now, key=key, by_factor=by_factor
            )
            if ends_at is None:
                raise Unauthenticated("the token has ended")
            await record_about_user(connection, caller, Action.SIGN_IN_CONFIRMED, user_id)
        token = signed(signs, user_id, key, now.replace(microsecond=0), ends_at)
        return Confirmed(now + self.requirements.confirmed_for, token)

    async def revoke(self, token: str) -> None:
        """Ends the sign-in of a token. A token that is forged or has ended is ignored, as RFC 7009 demands."""
        key = self.key_of(token)
        if key is None:
            return
        async with self._database.transaction() as connection:
            user_id = await statements.end_sign_in_of_key(connection, key)
            if user_id is not None:
                user = (await users.users_of_ids(connection, [user_id]))[user_id]
                by = caller_of_user(user)
                await record(connection, by, Action.SIGNED_OUT, school_id=user.school_id, user_id=user_id)

    def key_of(self, token: str) -> str | None:
        """The key of the sign-in of a token, which may have ended; None: the token is not valid."""
        try:
            return self._texts.claims_of(token).key
        except Unauthenticated:
            return None

    async def sign_ins_of(self, caller: Caller) -> list[SignIn]:
        """The sign-ins of the calling user, the last used one first. Raises Forbidden for an API key."""
        async with self._database.snapshot() as connection:
            return await self._listed(connection, _user_id_of(caller))

    async def sign_ins_of_email(self, email: str) -> list[SignIn]:
        """The sign-ins of a user. Checks no permission. Raises NotFound."""
        async with self._database.snapshot() as connection:
            user = await _require_user(connection, email)
            return await self._listed(connection, user)

    async def end(self, caller: Caller, sign_in_id: int) -> None:
        """Ends a sign-in of the calling user. Raises NotFound, and Forbidden for an API key."""
        async with self._database.transaction() as connection:
            user_id = _user_id_of(caller)
            await _end(connection, user_id, sign_in_id)
            await record_about_user(connection, caller, Action.SIGN_INS_ENDED, user_id, after={"signInId": sign_in_id})

    async def end_others(self, caller: Caller) -> None:
        """Ends all sign-ins of the calling user but the one of this request. Raises Forbidden for an API key."""
        async with self._database.transaction() as connection:
            user_id, sign_in_id = _user_id_of(caller), caller.sign_in_id
            assert sign_in_id is not None, "a user without a key has sent a token"
            await statements.end_other_sign_ins(connection, user_id, sign_in_id)
            await record_about_user(connection, caller, Action.SIGN_INS_ENDED, user_id, after={"which": "others"})

    async def end_of_email(self, email: str, sign_in_id: int | None = None) -> None:
        """Ends one sign-in of a user, or all, also those that are under way. Checks no permission. Raises NotFound."""
        async with self._database.transaction() as connection:
            user = await _require_user(connection, email)
            if sign_in_id is None:
                await users.end_tokens(connection, user)
            else:
                await _end(connection, user, sign_in_id)
            ended = {"which": "all"} if sign_in_id is None else {"signInId": sign_in_id}
            await record_about_user(connection, system_caller(), Action.SIGN_INS_ENDED, user, after=ended)

    async def close(self) -> None:
        """Stops pending lookups, and waits until uses are noted. Called after the last request."""
        await asyncio.gather(*self._pending_uses.values())
        await self._sign_ins.close()

    async def _listed(self, connection: Connection, user_id: int) -> list[SignIn]:
        now = self._now()
        found = await statements.sign_ins_of_user(connection, user_id, now)
        return [each for each in found if not self._is_idle(each.kind, each.last_used_at, now)]

    def _outstanding(self, found: StoredSignIn) -> Outstanding | None:
        """The next step of the user. The command line is trusted: it has asked for no password, as has a provider."""
        if found.kind == SignInKind.COMMAND:
            return None
        if found.user.first_password and found.issuer is None:
            return Outstanding.PASSWORD
        is_needed = found.user.role in self.requirements.second_factor_roles
        return Outstanding.SECOND_FACTOR if is_needed and not found.has_second_factor else None

    def _needs_confirmation(self, found: StoredSignIn, now: datetime) -> bool:
        if found.kind == SignInKind.COMMAND:
            return False
        return found.confirmed_at is None or now - found.confirmed_at >= self.requirements.confirmed_for

    def _is_valid(self, found: StoredSignIn, claims: Claims, now: datetime) -> bool:
        user = found.user
        is_enabled = not user.disabled and user.email is not None and user.token_generation == found.generation
        return is_enabled and user.id == claims.user_id and not self._is_idle(found.kind, found.last_used_at, now)

    def _is_idle(self, kind: str, last_used_at: datetime, now: datetime) -> bool:
        return kind == SignInKind.PAGE and now - last_used_at >= self._idle_timeout

    def _begin_recording_use(self, key: str, now: datetime) -> None:
        """In the background: the request does not wait for it, and an outage does not fail it."""
        if key not in self._pending_uses:
            self._pending_uses[key] = asyncio.create_task(self._record_use(key, now), context=Context())

    async def _record_use(self, key: str, now: datetime) -> None:
        try:
            async with self._database.transaction() as connection:
                await statements.note_use(connection, [key], now)
        except Unavailable:
            log.warning("the use of a sign-in was not noted")
        finally:
            del self._pending_uses[key]


async def _record_in_audit_log(
    connection: Connection, user: StoredUser, kind: SignInKind, content: dict[str, Any], *, uses_up_password: bool
) -> None:
    by = system_caller() if kind is SignInKind.COMMAND else caller_of_user(user)
    note = partial(record, connection, by, school_id=user.school_id, user_id=user.id)
    if uses_up_password:
        await note(Action.FIRST_PASSWORD_USED)
    await note(Action.SIGNED_IN, after=content)


def _content(kind: SignInKind, provider: ProviderSession | None, *, has_second_factor: bool) -> dict[str, Any]:
    """The content for the audit log."""
    factor = {"hasSecondFactor": True} if has_second_factor else {}
    return {"kind": kind.value, **factor, **({} if provider is None else {"issuer": provider.issuer})}


def _require_unchanged(checked: User, user: StoredUser | None) -> StoredUser:
    """The user. Raises Unauthenticated if the user is not as they were when their password or identity was checked."""
    if user is None or user.disabled or (checked.id, checked.generation) != (user.id, user.token_generation):
        raise Unauthenticated(WRONG)
    return user


async def _use_up_first_password(connection: Connection, user: StoredUser) -> bool:
    """Returns False if the user has another password."""
    if user.first_password is None:
        return False
    is_first = await users.use_first_password(connection, user.id, FirstPassword.UNUSED, FirstPassword.USED)
    if not is_first:
        raise FirstPasswordUsed("this first password was used before: ask for a new one")
    return True


async def _require_user(connection: Connection, email: str) -> int:
    user = await users.user_of_email(connection, normalised_email(email))
    if user is None:
        raise NotFound("no user has this email")
    return user.id


async def _end(connection: Connection, user_id: int, sign_in_id: int) -> None:
    if not await statements.end_sign_in(connection, user_id, sign_in_id):
        raise NotFound(f"there is no sign-in {sign_in_id}", id=sign_in_id)


def _user_id_of(caller: Caller) -> int:
    if caller.user_id is None or caller.key_id is not None:
        raise Forbidden("only users have sign-ins")
    return caller.user_id


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
