"""Signing in with a password, and slowing down who guesses: by account, and more generously by address."""

from __future__ import annotations

import asyncio
import hashlib
from ipaddress import ip_address

from adsum.accounts.passwords import AT_ONCE
from adsum.accounts.service import Accounts, normalised_email
from adsum.accounts.tokens import Token, Tokens
from adsum.platform.errors import TooManyAttempts, Unauthenticated
from adsum.platform.redis.attempts import Allowance, FailedAttempts
from adsum.platform.telemetry import logger

A_QUARTER_S = 15 * 60
BY_ACCOUNT = Allowance("account", 10, A_QUARTER_S)
# A school of 200 teachers is behind one address, and signs in at 7:58; some of them forgot their password.
BY_ADDRESS = Allowance("address", 300, A_QUARTER_S)

log = logger(__name__)


class SigningIn:
    """The one way from a password to a token, whoever asks for it: a page, or a program."""

    def __init__(
        self,
        accounts: Accounts,
        tokens: Tokens,
        attempts: FailedAttempts,
        *,
        by_account: Allowance = BY_ACCOUNT,
        by_address: Allowance = BY_ADDRESS,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._attempts = attempts
        self._by_account = by_account
        self._by_address = by_address
        # As many as there are passwords checked at once: of a thousand guesses that arrive together, those that wait
        # here are looked at when the failures before them are counted.
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def sign_in(self, email: str, password: str, address: str | None) -> Token:
        """A token for who knows the password. Only failures count, and the right password ends those of its account.

        Args:
            email: in any case.
            password: of this account.
            address: from which is asked; None: nobody knows, and then only the account counts.

        Raises:
            Unauthenticated: the same for a wrong password, an unknown email, and a disabled user.
            TooManyAttempts: too many of these lately; the password was not looked at.
        """
        limits = self._limits(email, address)
        async with self._turns:
            await self._require_allowed(limits)
            try:
                user = await self._accounts.authenticate(email, password)
            except Unauthenticated:
                for allowance, whom in limits:
                    await self._attempts.count(allowance, whom)
                raise
        await self._attempts.reset(*limits[0])
        return await self._tokens.create(user.email)

    def _limits(self, email: str, address: str | None) -> list[tuple[Allowance, str]]:
        # A key of Redis names nobody.
        account = hashlib.sha256(normalised_email(email).encode(errors="replace")).hexdigest()[:32]
        by_account = (self._by_account, account)
        return [by_account] if address is None else [by_account, (self._by_address, _network(address))]

    async def _require_allowed(self, limits: list[tuple[Allowance, str]]) -> None:
        for allowance, whom in limits:
            seconds = await self._attempts.seconds_to_wait(allowance, whom)
            if seconds:
                log.warning("too many wrong passwords", by=allowance.kind, seconds=seconds)
                detail = f"too many wrong passwords: the next one is looked at in {seconds} seconds"
                raise TooManyAttempts(detail, retryAfter=seconds)


def _network(address: str) -> str:
    """An IPv4 address; of IPv6 the network of one subscriber, who has as many addresses as they like."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode(errors="replace")).hexdigest()[:32]
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else parsed.exploded[:19]
