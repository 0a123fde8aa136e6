"""Signs in with email and password. Limits failed attempts so that nobody locks out the owner of an account.

Failures are counted by account and address together, by address, by account, and by known device:

- An attempt from a known device is only limited by the failures of this device, and by those of all known devices of
  its account together. So a thief of a password gains little by signing in many times before it is changed.
- Any other attempt is limited by the failures of its account from its address, and by those of its address.
- If an account has many failures from anywhere, attempts from unknown devices are checked one by one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, replace

from adsum.accounts.access import Caller
from adsum.accounts.audit.failures import FailedSignIns
from adsum.accounts.passwords.hashing import CONCURRENT_HASHES
from adsum.accounts.service import Accounts, User, normalised_email
from adsum.accounts.sign_ins.devices import Devices
from adsum.accounts.sign_ins.fair_queue import FairQueue
from adsum.accounts.sign_ins.tokens import SignInKind, Token, Tokens
from adsum.platform.addresses import source_of
from adsum.platform.errors import TooManyAttempts, Unauthenticated, Violation, refuse
from adsum.platform.redis.attempts import Allowance, FailedAttempts
from adsum.platform.telemetry import logger

WINDOW_S = 15 * 60
# Attempts that wait for a hash: the last one of them waits for two seconds.
MAX_WAITING = 40
BY_PAIR = Allowance("account-address", 10, WINDOW_S)
# A school with 200 teachers shares one address. They sign in at the same time, and some mistype their password.
BY_ADDRESS = Allowance("address", 300, WINDOW_S)
BY_DEVICE = Allowance("device", 10, WINDOW_S)
BY_DEVICES = Allowance("account-devices", 40, WINDOW_S)
BY_ACCOUNT = Allowance("account", 20, WINDOW_S)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
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

    by_pair: Allowance = BY_PAIR
    by_address: Allowance = BY_ADDRESS
    by_device: Allowance = BY_DEVICE
    by_devices: Allowance = BY_DEVICES
    by_account: Allowance = BY_ACCOUNT
    delay_s: float = 3.0
    max_delayed: int = 5


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new token, and the value of the device cookie."""

    token: Token
    device_cookie: str


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


class SigningIn:
    """Exchanges an email and a password for a token, for pages and for the API."""

    def __init__(
        self,
        accounts: Accounts,
        tokens: Tokens,
        devices: Devices,
        attempts: FailedAttempts,
        failures: FailedSignIns,
        limits: Limits | None = None,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._devices = devices
        self._attempts = attempts
        self._failures = failures
        self._limits = limits or Limits()
        # As many slots as for password hashes: of many simultaneous attempts, the later ones wait here until the
        # failures of the earlier ones are counted.
        self._queue = FairQueue(CONCURRENT_HASHES, MAX_WAITING)
        self._delayed: dict[str, FairQueue] = {}
        self._delayed_attempts = Counter[str]()

    async def sign_in(
        self,
        email: str,
        password: str,
        address: str | None,
        device_cookie: str | None = None,
        *,
        kind: SignInKind = SignInKind.API,
        agent: str = "",
    ) -> SignedIn:
        """A token for the user. Counts failed attempts; a successful one resets the failures that would block it.

        Attempts wait in one line per address, so that a flood from one address does not delay the others. The limits
        are checked before the password is hashed.

        Args:
            email: in any case.
            password: of this account.
            address: of the client; None on a unix socket.
            device_cookie: as the browser sent it.
            kind: how the user signs in.
            agent: the browser or program, as it names itself.

        Raises:
            Unauthenticated: wrong password, unknown email or disabled user, without a difference.
            TooManyAttempts: too many failures; the password was not checked.
            Overloaded: too many attempts wait; the password was not checked.
        """
        try:
            user = await self._authenticate(email, password, address, device_cookie)
            return await self._signed_in(user, device_cookie, kind, agent)
        except (Unauthenticated, TooManyAttempts) as error:
            await self._failures.note(normalised_email(email), address, error.code)
            raise

    async def change_password(
        self,
        caller: Caller,
        password: str | None,
        new_password: str,
        address: str | None,
        device_cookie: str | None = None,
        *,
        kind: SignInKind = SignInKind.API,
        agent: str = "",
    ) -> SignedIn:
        """Sets the password that a user has chosen, ends all their sign-ins, and signs them in again.

        Args:
            caller: the user.
            password: the present one; needed unless it is a first password. Wrong ones are limited as in `sign_in`.
            new_password: the new one.
            address: of the client; None on a unix socket.
            device_cookie: as the browser sent it.
            kind: how the user signs in.
            agent: the browser or program, as it names itself.

        Raises:
            Forbidden: the caller is not a user.
            Invalid: the new password is refused, or the present one is missing or wrong.
            TooManyAttempts, Overloaded: as `sign_in`.
        """
        user = await self._accounts.own_user(caller)
        if not user.has_first_password:
            try:
                user = await self._authenticate(user.email, password or "", address, device_cookie)
            except Unauthenticated as error:
                await self._failures.note(user.email, address, error.code)
                detail = "this is not the present password"
                refuse([Violation("wrong_password", detail, "/password")])
        await self._accounts.validate_own_password(caller, new_password)
        changed = await self._accounts.choose_password(user, new_password, caller)
        return await self._signed_in(changed, device_cookie, kind, agent)

    async def _signed_in(self, user: User, device_cookie: str | None, kind: SignInKind, agent: str) -> SignedIn:
        token = await self._tokens.create(user.email, kind=kind, agent=agent, checked=user)
        return SignedIn(token, self._devices.remember(device_cookie, user.email))

    async def _authenticate(self, email: str, password: str, address: str | None, device_cookie: str | None) -> User:
        """The user with this password, within the limits."""
        email, source = normalised_email(email), source_of(address)
        known = self._devices.recognise(device_cookie, email)
        # Known devices have a line per account, and are never refused because the queue is full of others.
        line = source if known is None else f"known devices of {email}"
        async with self._queue.turn(line, has_place=known is not None):
            attempt = await self._attempt(email, password, source, known)
            await self._require_allowed(attempt)
            is_delayed = attempt.device is None and await self._is_reached(self._limits.by_account, attempt.account)
            user = None if is_delayed else await self._check(attempt)
        return user or await self._check_later(attempt)

    async def _attempt(self, email: str, password: str, source: str, device: str | None) -> _Attempt:
        hashed = hashlib.sha256(email.encode(errors="replace")).hexdigest()[:32]
        account = f"{hashed}.{await self._accounts.unlocks_of(email)}"
        attempt = _Attempt(email, password, account, source, device)
        if device is not None and any([await self._is_reached(*counter) for counter in self._counters(attempt)]):
            return replace(attempt, device=None)
        return attempt

    def _counters(self, attempt: _Attempt) -> list[tuple[Allowance, str]]:
        """The counters that block this attempt. A success resets the first one."""
        limits = self._limits
        if attempt.device is not None:
            return [(limits.by_device, f"{attempt.account}.{attempt.device}"), (limits.by_devices, attempt.account)]
        return [(limits.by_pair, f"{attempt.account}.{attempt.source}"), (limits.by_address, attempt.source)]

    async def _require_allowed(self, attempt: _Attempt) -> None:
        for allowance, subject in self._counters(attempt):
            seconds = await self._attempts.seconds_to_wait(allowance, subject)
            if seconds:
                log.warning("too many wrong passwords", by=allowance.kind, seconds=seconds)
                detail = f"too many wrong passwords: try again in {seconds} seconds"
                raise TooManyAttempts(detail, retryAfter=seconds)

    async def _is_reached(self, allowance: Allowance, subject: str) -> bool:
        return await self._attempts.seconds_to_wait(allowance, subject) > 0

    async def _check(self, attempt: _Attempt) -> User:
        try:
            user = await self._accounts.authenticate(attempt.email, attempt.password)
        except Unauthenticated:
            counters = self._counters(attempt)
            if attempt.device is None:
                counters.append((self._limits.by_account, attempt.account))
            for allowance, subject in counters:
                await self._attempts.count(allowance, subject)
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
