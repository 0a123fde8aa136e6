"""Limits on wrong codes, so that they cannot be guessed and nobody locks out the owner of an account.

Only somebody who knows the password can try codes. Attempts are counted before a code is checked, so that many at once
are not checked together:

- by sign-in, so that the password is needed again after a few;
- on a device that the account knows, by device, and one-time codes on all such devices together;
- elsewhere by account and address, and one-time codes by account from everywhere. Recovery codes are too long to be
  guessed, and passkeys cannot be, so that both work for their owner while somebody else guesses one-time codes.
"""

from __future__ import annotations

from dataclasses import dataclass

from adsum.platform.errors import TooManyAttempts
from adsum.platform.redis.attempts import AttemptLimit, FailedAttempts
from adsum.platform.telemetry import logger

log = logger(__name__)

BY_SIGN_IN = AttemptLimit("factor-sign-in", 5, 15 * 60)
BY_PAIR = AttemptLimit("factor-account-address", 10, 15 * 60)
BY_DEVICE = AttemptLimit("factor-device", 10, 15 * 60)
# A thief of the password may have made devices known before there was a second factor.
BY_DEVICES = AttemptLimit("factor-account-devices", 40, 60 * 60)
# 720 guesses a day, of which 0.2 % find a code.
BY_ACCOUNT = AttemptLimit("factor-account", 30, 60 * 60)


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """The codes that may be tried before further ones are refused: see the module."""

    by_sign_in: AttemptLimit = BY_SIGN_IN
    by_pair: AttemptLimit = BY_PAIR
    by_device: AttemptLimit = BY_DEVICE
    by_devices: AttemptLimit = BY_DEVICES
    by_account: AttemptLimit = BY_ACCOUNT


@dataclass(frozen=True, slots=True)
class CodeAttempt:
    """The author of an attempt at a code. No attribute contains personal data, because all are parts of Redis keys.

    Attributes:
        sign_in: of the sign-in that is under way, or is confirmed.
        account: the hashed email and the number of times that the account was unlocked.
        source: the network of the client.
        device: the id of a device that this account knows; None: the device is unknown.
    """

    sign_in: str
    account: str
    source: str
    device: str | None


class CodeAttempts:
    """Counts the codes that are tried."""

    def __init__(self, attempts: FailedAttempts, limits: CodeLimits | None = None) -> None:
        self._attempts = attempts
        self._limits = limits or CodeLimits()

    async def take(self, attempt: CodeAttempt, *, is_totp: bool) -> None:
        """Counts an attempt before the code is checked. Raises TooManyAttempts: the code must not be checked."""
        limits, account = self._limits, attempt.account
        await self._require(limits.by_sign_in, attempt.sign_in)
        if attempt.device is not None and await self._is_allowed_on_device(attempt, is_totp=is_totp):
            return
        await self._require(limits.by_pair, f"{account}.{attempt.source}")
        if is_totp:
            await self._require(limits.by_account, account)

    async def succeeded(self, attempt: CodeAttempt) -> None:
        """Resets the counts of this sign-in, device and address. That of the account stays, since it limits others."""
        await self._attempts.reset(self._limits.by_sign_in, attempt.sign_in)
        if attempt.device is not None:
            await self._attempts.reset(self._limits.by_device, _of_device(attempt))
        await self._attempts.reset(self._limits.by_pair, f"{attempt.account}.{attempt.source}")

    async def _is_allowed_on_device(self, attempt: CodeAttempt, *, is_totp: bool) -> bool:
        if await self._attempts.take(self._limits.by_device, _of_device(attempt)):
            return False
        return not is_totp or not await self._attempts.take(self._limits.by_devices, attempt.account)

    async def _require(self, limit: AttemptLimit, subject: str) -> None:
        seconds = await self._attempts.take(limit, subject)
        if seconds:
            log.warning("too many wrong codes", kind=limit.kind, seconds=seconds)
            raise TooManyAttempts(f"too many wrong codes: try again in {seconds} seconds", retryAfter=seconds)


def _of_device(attempt: CodeAttempt) -> str:
    return f"{attempt.account}.{attempt.device}"
