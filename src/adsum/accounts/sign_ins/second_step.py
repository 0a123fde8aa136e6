"""The second step of a sign-in on the page, and the sign-in with a passkey alone."""

from __future__ import annotations

from typing import Any

from adsum.accounts.rules import User
from adsum.accounts.second_factors.passkeys import RelyingParty
from adsum.accounts.second_factors.rules import FactorKind, Proof, is_asked_after_provider
from adsum.accounts.second_factors.verifier import FactorVerifier, Prover
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.half_way import HalfWay, HalfWays
from adsum.accounts.sign_ins.repository import ProviderSession
from adsum.accounts.sign_ins.rules import SignInClient
from adsum.accounts.sign_ins.service import HalfWaySignIn, NewSignIn, PasswordSignIn
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.errors import Unauthenticated, WrongSecondFactor


class WrongPasskey(WrongSecondFactor):
    """A passkey was refused that answered instead of a password."""

    code = "wrong_passkey"


class SecondStep:
    """Completes sign-ins that the password alone has begun."""

    def __init__(
        self,
        accounts: Accounts,
        tokens: Tokens,
        passwords: PasswordSignIn,
        factors: FactorVerifier,
        half_ways: HalfWays,
        *,
        trusts_provider: bool = False,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._passwords = passwords
        self._factors = factors
        self._half_ways = half_ways
        self._trusts_provider = trusts_provider

    async def begun(self, text: str | None) -> HalfWay:
        """The sign-in that lacks the second factor. Raises Unauthenticated: it has ended, or there is none."""
        half_way = self._half_ways.read(text)
        await self._user_of(half_way)
        return half_way

    async def kinds(self, half_way: HalfWay) -> tuple[FactorKind, ...]:
        """The ways in which the user can prove their second factor."""
        return await self._factors.kinds_of(half_way.user_id)

    async def options(self, half_way: HalfWay, party: RelyingParty) -> dict[str, Any]:
        """The options with which the browser lets a passkey of the user answer."""
        return await self._factors.options_to_prove(half_way.user_id, half_way.purpose, party)

    async def finish(self, half_way: HalfWay, proof: Proof, client: SignInClient) -> NewSignIn:
        """Signs in with the second factor.

        Raises:
            WrongSecondFactor: it is wrong, or was used before.
            TooManyAttempts: too many codes were tried; the code was not checked.
            Unauthenticated: since the password was checked, the user was disabled, or has another one.
        """
        user = await self._user_of(half_way)
        attempt = await self._passwords.code_attempt(user.email, client, sign_in=f"step-{half_way.id}")
        try:
            async with self._passwords.noting_failures(user.email, client):
                await self._factors.prove(user.id, proof, Prover(attempt, half_way.purpose, client.party))
        except WrongSecondFactor:
            await self._half_ways.end(half_way)
            raise
        return await self._passwords.signed_in(
            *(user, client),
            has_second_factor=True,
            provider=half_way.provider,
            half_way=half_way,
        )

    async def options_without_password(self, browser_id: str, party: RelyingParty) -> dict[str, Any]:
        """The options with which a browser lets any passkey of this site answer."""
        return await self._factors.options_to_sign_in(_purpose_of(browser_id), party)

    async def sign_in_with_passkey(self, answer: str, browser_id: str, client: SignInClient) -> NewSignIn:
        """Signs in the user whose passkey has answered and has verified them.

        Raises:
            WrongPasskey: the answer is wrong, or the user is disabled, without a difference.
        """
        if client.party is None:
            raise WrongPasskey("passkeys need HTTPS and an address with a name")
        async with self._passwords.noting_failures("", client):
            try:
                user_id = await self._factors.user_of_passkey(answer, _purpose_of(browser_id), client.party)
            except WrongSecondFactor as error:
                raise WrongPasskey(error.detail) from error
        user = await self._accounts.user_of_id(user_id)
        async with self._passwords.noting_failures("" if user is None else user.email, client):
            owner = _require_login(user)
        return await self._passwords.signed_in(owner, client, has_second_factor=True, by_password=False)

    async def sign_in_by_provider(
        self, user: User, client: SignInClient, provider: ProviderSession, *, has_providers_factor: bool
    ) -> NewSignIn | HalfWaySignIn:
        """Signs in a user whom a single sign-on provider has authenticated, or asks for the second factor first.

        A user whose role needs a factor, and who has none, is signed in, and has to set one up.

        Args:
            user: as they were when the provider authenticated them.
            client: that signs in.
            provider: that has authenticated them.
            has_providers_factor: whether the provider says that it has asked for a second factor (`amr` or `acr`). It
                counts with ADSUM_SECOND_FACTOR_OF_PROVIDER.
        """
        is_proved = has_providers_factor and self._trusts_provider
        kinds = await self._factors.kinds_of(user.id)
        is_needed = user.role in self._tokens.requirements.second_factor_roles
        if is_asked_after_provider(
            has_factors=bool(kinds), role_needs_factor=is_needed, is_proved_by_provider=is_proved
        ):
            return HalfWaySignIn(await self._half_ways.begin(user, provider), kinds)
        return await self._passwords.signed_in(
            *(user, client),
            has_second_factor=is_proved,
            provider=provider,
        )

    async def _user_of(self, half_way: HalfWay) -> User:
        user = await self._accounts.user_of_id(half_way.user_id)
        if user is None or user.disabled or not user.email or user.generation != half_way.generation:
            raise Unauthenticated("enter the password first")
        return user


def _purpose_of(browser_id: str) -> str:
    return f"sign-in of browser {browser_id}"


def _require_login(user: User | None) -> User:
    if user is None or user.disabled or not user.email:
        raise WrongPasskey("nobody has this passkey here")
    return user
