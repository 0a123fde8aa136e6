"""Signs in with email and password. Limits failed attempts so that nobody locks out the owner of an account.

Failures are counted by account and address together, by address, by account, and by known device:

- An attempt from a known device is only limited by the failures of this device, and by those of all known devices of
  its account together. So a thief of a password gains little by signing in many times before it is changed.
- Any other attempt is limited by the failures of its account from its address, and by those of its address.
- If an account has many failures from anywhere, attempts from unknown devices are checked one by one.

The order of one sign-in: queue, limits, password, second factor (in one request with `sign_in`; on the pages `begin`,
which `second_step.py` completes), then a row of `sign_ins`, which `Tokens.create` inserts.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from adsum.accounts.access import Caller, require_confirmed
from adsum.accounts.audit.failures import FailedSignIns
from adsum.accounts.passwords.hashing import CONCURRENT_HASHES
from adsum.accounts.rules import User, normalised_email
from adsum.accounts.second_factors.attempts import CodeAttempt
from adsum.accounts.second_factors.rules import FactorKind, Proof, SecondFactorNeeded
from adsum.accounts.second_factors.verifier import FactorVerifier, Prover
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.devices import Devices
from adsum.accounts.sign_ins.fair_queue import FairQueue
from adsum.accounts.sign_ins.half_way import HalfWay, HalfWays
from adsum.accounts.sign_ins.repository import ProviderSession
from adsum.accounts.sign_ins.rules import SignInClient
from adsum.accounts.sign_ins.token_texts import Token
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.addresses import source_of
from adsum.platform.errors import Forbidden, TooManyAttempts, Unauthenticated, Violation, refuse
from adsum.platform.redis.attempts import AttemptLimit, FailedAttempts
from adsum.platform.telemetry import logger

WINDOW_S = 15 * 60
# Attempts that wait for a hash: the last one of them waits for two seconds.
MAX_WAITING = 40
BY_PAIR = AttemptLimit("account-address", 10, WINDOW_S)
# A school with 200 teachers shares one address. They sign in at the same time, and some mistype their password.
BY_ADDRESS = AttemptLimit("address", 300, WINDOW_S)
BY_DEVICE = AttemptLimit("device", 10, WINDOW_S)
BY_DEVICES = AttemptLimit("account-devices", 40, WINDOW_S)
BY_ACCOUNT = AttemptLimit("account", 20, WINDOW_S)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class PasswordLimits:
    """The failures that are allowed before attempts are refused; of an account, before they are slowed down.

    Attributes:
        by_pair: of an account from one address.
        by_address: of all accounts from one address.
        by_device: of an account on a known device.
        by_devices: of an account on all its known devices.
        by_account: of an account on unknown devices.
        delay_s: seconds that an attempt takes that is slowed down.
        max_delayed: attempts that wait to be slowed down, per account.
    """

    by_pair: AttemptLimit = BY_PAIR
    by_address: AttemptLimit = BY_ADDRESS
    by_device: AttemptLimit = BY_DEVICE
    by_devices: AttemptLimit = BY_DEVICES
    by_account: AttemptLimit = BY_ACCOUNT
    delay_s: float = 3.0
    max_delayed: int = 5


@dataclass(frozen=True, slots=True)
class NewSignIn:
    """The token of a new sign-in, and the value of the device cookie."""

    token: Token
    device_cookie: str


@dataclass(frozen=True, slots=True)
class HalfWaySignIn:
    """A sign-in on the page that lacks the second factor, which has one of `kinds`. `text` is for the browser."""

    text: str
    kinds: tuple[FactorKind, ...]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """`account` and `source` contain no personal data, because they are parts of Redis keys.

    Attributes:
        account: the hashed email and the number of times that the account was unlocked.
        source: the network of the client.
        device: the id of a known device of this account; None: the device is unknown, or known devices have too many
            failures.
    """

    email: str
    password: str
    account: str
    source: str
    device: str | None


class PasswordsOff(Forbidden):
    """The password is right, and this installation accepts passwords of emergency accounts only."""

    code = "password_sign_in_off"


class PasswordSignIn:
    """Exchanges an email and a password for a token, for pages and for the API.

    Args:
        password_accounts: emails of the users who may sign in with a password; None: all may.
    """

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        accounts: Accounts,
        tokens: Tokens,
        devices: Devices,
        attempts: FailedAttempts,
        failures: FailedSignIns,
        factors: FactorVerifier,
        half_ways: HalfWays,
        limits: PasswordLimits | None = None,
        *,
        password_accounts: Collection[str] | None = None,
    ) -> None:
        self._accounts = accounts
        self._password_accounts = password_accounts
        self._tokens = tokens
        self._devices = devices
        self._attempts = attempts
        self._failures = failures
        self._factors = factors
        self._half_ways = half_ways
        self._limits = limits or PasswordLimits()
        # As many slots as for password hashes: of many simultaneous attempts, the later ones wait here until the
        # failures of the earlier ones are counted.
        self._queue = FairQueue(CONCURRENT_HASHES, MAX_WAITING)
        self._delayed: dict[str, FairQueue] = {}
        self._delayed_attempts = Counter[str]()

    async def sign_in(
        self,
        email: str,
        password: str,
        client: SignInClient,
        *,
        code: str = "",
    ) -> NewSignIn:
        """A token for the user. Counts failed attempts; a successful one resets the failures that would block it.

        Attempts wait in one line per address, so that a flood from one address does not delay the others. The limits
        are checked before the password is hashed.

        Args:
            email: in any case.
            password: of this account.
            client: that signs in.
            code: a one-time code or a recovery code; '' if the user has no second factor.

        Raises:
            Unauthenticated: wrong password, unknown email or disabled user, without a difference.
            SecondFactorNeeded: the password is right, and a code is missing.
            WrongSecondFactor: the password is right, and the code is wrong, or was used before.
            TooManyAttempts: too many failures; the password or the code was not checked.
            Overloaded: too many attempts wait; the password was not checked.
            PasswordsOff: the password is right, and this user signs in at a provider only.
        """
        async with self.noting_failures(email, client):
            user = await self.authenticate(email, password, client)
            kinds = await self._factors.kinds_of(user.id)
            if kinds:
                if not code.strip():
                    raise SecondFactorNeeded(kinds)
                # Every sign-in of a program is one of its own: its codes count for the account and the address.
                attempt = await self.code_attempt(user.email, client, sign_in=secrets.token_hex(8))
                await self._factors.prove(user.id, Proof(code=code), Prover(attempt, "no passkey"))
            return await self.signed_in(user, client, has_second_factor=bool(kinds))

    async def begin(self, email: str, password: str, client: SignInClient) -> NewSignIn | HalfWaySignIn:
        """Signs in on the page, or begins to: a user with a second factor is asked for it next.

        Args and Raises: as `sign_in`.
        """
        async with self.noting_failures(email, client):
            user = await self.authenticate(email, password, client)
            kinds = await self._factors.kinds_of(user.id)
            if kinds:
                return HalfWaySignIn(await self._half_ways.begin(user), kinds)
            return await self.signed_in(user, client)

    @asynccontextmanager
    async def noting_failures(self, email: str, client: SignInClient) -> AsyncGenerator[None]:
        """Records the failure of a sign-in or a confirmation in the audit log."""
        try:
            yield
        except (Unauthenticated, PasswordsOff, TooManyAttempts) as error:
            await self._failures.note(normalised_email(email), client.address, error.code)
            raise

    async def change_password(
        self,
        caller: Caller,
        password: str | None,
        new_password: str,
        client: SignInClient,
    ) -> NewSignIn:
        """Sets the password that a user has chosen, ends all their sign-ins, and signs them in again.

        Args:
            caller: the user.
            password: the present one; needed unless it is a first password. Wrong ones are limited as in `sign_in`.
            new_password: the new one.
            client: that stays signed in.

        Raises:
            Forbidden: the caller is not a user.
            ConfirmationNeeded: the user has a second factor, and has confirmed the sign-in too long ago, or without it;
                or they have a first password, and have confirmed the sign-in too long ago.
            Invalid: the new password is refused, or the present one is missing or wrong.
            TooManyAttempts, Overloaded, PasswordsOff: as `sign_in`.
        """
        user = self._require_password_account(await self._accounts.own_user(caller))
        has_factors = await self.require_changeable_password(caller)
        if not user.has_first_password:
            try:
                user = await self.authenticate(user.email, password or "", client)
            except Unauthenticated as error:
                await self._failures.note(user.email, client.address, error.code)
                detail = "this is not the present password"
                refuse([Violation("wrong_password", detail, "/password")])
        await self._accounts.validate_own_password(caller, new_password)
        changed = await self._accounts.choose_password(user, new_password, caller)
        return await self.signed_in(changed, client, has_second_factor=has_factors)

    async def require_changeable_password(self, caller: Caller) -> bool:
        """Whether the calling user has a second factor. Raises ConfirmationNeeded, Forbidden: as `change_password`."""
        user = await self._accounts.own_user(caller)
        has_factors = bool(await self._factors.kinds_of(user.id))
        # Of other users, the present password confirms the change. A first password is not asked for again, and a user
        # who signed in at a provider was never asked.
        if has_factors or user.has_first_password:
            require_confirmed(caller, by_factor=has_factors)
        return has_factors

    async def signed_in(
        self,
        user: User,
        client: SignInClient,
        *,
        has_second_factor: bool = False,
        provider: ProviderSession | None = None,
        by_password: bool = True,
        half_way: HalfWay | None = None,
    ) -> NewSignIn:
        """Signs in a user who was authenticated. From now on they are known to the device.

        `provider` is the one that has authenticated them; `by_password` False: a passkey has; `half_way`: the sign-in
        that this one completes.

        Raises:
            Unauthenticated: since then they were disabled, or have another password.
        """
        token = await self._tokens.create(
            *(user.email,),
            kind=client.kind,
            agent=client.agent,
            checked=user,
            has_second_factor=has_second_factor,
            provider=provider,
            by_password=by_password,
            completes=None if half_way is None else half_way.id,
        )
        return NewSignIn(token, self._devices.remember(client.device_cookie, user.email))

    async def code_attempt(self, email: str, client: SignInClient, *, sign_in: str) -> CodeAttempt:
        """The attempt at a second factor of this account, with its sign-in."""
        email = normalised_email(email)
        device = self._devices.recognise(client.device_cookie, email)
        return CodeAttempt(sign_in, await self._account(email), source_of(client.address), device)

    async def authenticate(self, email: str, password: str, client: SignInClient) -> User:
        """The user with this password, within the limits. Raises as `sign_in`."""
        email, source = normalised_email(email), source_of(client.address)
        known = self._devices.recognise(client.device_cookie, email)
        # Known devices have a line per account, and are never refused because the queue is full of others.
        line = source if known is None else f"known devices of {email}"
        async with self._queue.turn(line, has_place=known is not None):
            attempt = await self._attempt(email, password, source, known)
            await self._require_allowed(attempt)
            is_delayed = attempt.device is None and await self._is_reached(self._limits.by_account, attempt.account)
            user = None if is_delayed else await self._check(attempt)
        return self._require_password_account(user or await self._check_later(attempt))

    def accepts_password_of(self, user: User) -> bool:
        """Whether the user has a password, and may sign in with it."""
        return user.has_password and self._may_have_password(user)

    def _may_have_password(self, user: User) -> bool:
        return self._password_accounts is None or user.email in self._password_accounts

    def _require_password_account(self, user: User) -> User:
        """Refuses others after the check of their password, so that a stranger does not learn who is an exception."""
        if not self._may_have_password(user):
            raise PasswordsOff("sign in on the page of Adsum, with your account at a provider: passwords are off")
        return user

    async def _attempt(self, email: str, password: str, source: str, device: str | None) -> _Attempt:
        attempt = _Attempt(email, password, await self._account(email), source, device)
        if device is not None and any([await self._is_reached(*counter) for counter in self._counters(attempt)]):
            return replace(attempt, device=None)
        return attempt

    async def _account(self, email: str) -> str:
        """The account as a part of Redis keys."""
        hashed = hashlib.sha256(email.encode(errors="replace")).hexdigest()[:32]
        return f"{hashed}.{await self._accounts.unlocks_of(email)}"

    def _counters(self, attempt: _Attempt) -> list[tuple[AttemptLimit, str]]:
        """The counters that block this attempt. A success resets the first one."""
        limits = self._limits
        if attempt.device is not None:
            return [(limits.by_device, f"{attempt.account}.{attempt.device}"), (limits.by_devices, attempt.account)]
        return [(limits.by_pair, f"{attempt.account}.{attempt.source}"), (limits.by_address, attempt.source)]

    async def _require_allowed(self, attempt: _Attempt) -> None:
        for limit, subject in self._counters(attempt):
            seconds = await self._attempts.seconds_to_wait(limit, subject)
            if seconds:
                log.warning("too many wrong passwords", kind=limit.kind, seconds=seconds)
                detail = f"too many wrong passwords: try again in {seconds} seconds"
                raise TooManyAttempts(detail, retryAfter=seconds)

    async def _is_reached(self, limit: AttemptLimit, subject: str) -> bool:
        return await self._attempts.seconds_to_wait(limit, subject) > 0

    async def _check(self, attempt: _Attempt) -> User:
        try:
            user = await self._accounts.authenticate(attempt.email, attempt.password)
        except Unauthenticated:
            counters = self._counters(attempt)
            if attempt.device is None:
                counters.append((self._limits.by_account, attempt.account))
            for limit, subject in counters:
                await self._attempts.count(limit, subject)
            raise
        await self._attempts.reset(*self._counters(attempt)[0])
        return user

    async def _check_later(self, attempt: _Attempt) -> User:
        """Checks the attempts of one account one by one, in turns of their addresses. Each takes `delay_s`."""
        account = attempt.account
        queue = self._delayed.setdefault(account, FairQueue(1, self._limits.max_delayed))
        self._delayed_attempts[account] += 1
        try:
            async with queue.turn(attempt.source):
                await asyncio.sleep(self._limits.delay_s)
                async with self._queue.turn(attempt.source):
                    await self._require_allowed(attempt)
                    return await self._check(attempt)
        finally:
            self._delayed_attempts[account] -= 1
            if not self._delayed_attempts[account]:
                del self._delayed_attempts[account], self._delayed[account]
