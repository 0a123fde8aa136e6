"""Signs in with email and password. Limits failed attempts by account, and less strictly by address."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address

from adsum.accounts.fair_queue import FairQueue
from adsum.accounts.passwords import CONCURRENT_HASHES
from adsum.accounts.service import Accounts, normalised_email
from adsum.accounts.tokens import Token, Tokens
from adsum.platform.errors import TooManyAttempts, Unauthenticated
from adsum.platform.redis.attempts import Allowance, FailedAttempts
from adsum.platform.telemetry import logger

WINDOW_S = 15 * 60
BY_ACCOUNT = Allowance("account", 10, WINDOW_S)
# A school with 200 teachers shares one address. They sign in at the same time, and some mistype their password.
BY_ADDRESS = Allowance("address", 300, WINDOW_S)
# Attempts that wait for a hash: the last one of them waits for two seconds.
MAX_WAITING = 40

log = logger(__name__)


class SigningIn:
    """Exchanges an email and a password for a token, for pages and for the API."""

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
        # As many slots as for password hashes: of many simultaneous attempts, the later ones wait here until the
        # failures of the earlier ones are counted.
        self._queue = FairQueue(CONCURRENT_HASHES, MAX_WAITING)

    async def sign_in(self, email: str, password: str, address: str | None) -> Token:
        """A token for the user. Counts failed attempts; a successful one resets the count of the account.

        Attempts wait in one line per address, so that a flood from one address does not delay the others. The limits
        are checked before the password is hashed.

        Args:
            email: in any case.
            password: of this account.
            address: of the client; if None, only the limit of the account applies.

        Raises:
            Unauthenticated: wrong password, unknown email or disabled user, without a difference.
            TooManyAttempts: too many failures; the password was not checked.
            Overloaded: too many attempts wait; the password was not checked.
        """
        limits = self._limits(email, address)
        async with self._queue.turn("" if address is None else _network(address)):
            await self._require_allowed(limits)
            try:
                user = await self._accounts.authenticate(email, password)
            except Unauthenticated:
                for allowance, subject in limits:
                    await self._attempts.count(allowance, subject)
                raise
        await self._attempts.reset(*limits[0])
        return await self._tokens.create(user.email)

    def _limits(self, email: str, address: str | None) -> list[tuple[Allowance, str]]:
        # Redis keys contain no personal data.
        account = hashlib.sha256(normalised_email(email).encode(errors="replace")).hexdigest()[:32]
        by_account = (self._by_account, account)
        return [by_account] if address is None else [by_account, (self._by_address, _network(address))]

    async def _require_allowed(self, limits: list[tuple[Allowance, str]]) -> None:
        for allowance, subject in limits:
            seconds = await self._attempts.seconds_to_wait(allowance, subject)
            if seconds:
                log.warning("too many wrong passwords", by=allowance.kind, seconds=seconds)
                detail = f"too many wrong passwords: try again in {seconds} seconds"
                raise TooManyAttempts(detail, retryAfter=seconds)


def _network(address: str) -> str:
    """The IPv4 address, or the /64 network of an IPv6 address, which belongs to one subscriber."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode(errors="replace")).hexdigest()[:32]
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else parsed.exploded[:19]
