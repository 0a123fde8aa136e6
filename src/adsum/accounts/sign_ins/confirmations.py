"""Confirms that a user who is signed in is still at the keyboard, before critical actions.

The services of these actions call `access.require_confirmed`. Users with a second factor confirm with it, others with
their password. Users who have neither, because a single sign-on provider authenticates them, sign in again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from adsum.accounts.access import Caller
from adsum.accounts.rules import User
from adsum.accounts.second_factors.passkeys import RelyingParty
from adsum.accounts.second_factors.rules import FactorKind, Proof
from adsum.accounts.second_factors.verifier import FactorVerifier, Prover
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.rules import SignInClient
from adsum.accounts.sign_ins.service import PasswordSignIn
from adsum.accounts.sign_ins.tokens import Confirmed, Tokens
from adsum.platform.errors import Forbidden, Unauthenticated, Violation, WrongSecondFactor, refuse


class ConfirmedBy(StrEnum):
    """The ways to confirm a sign-in."""

    PASSWORD = "password"  # noqa: S105 - no password
    PASSKEY = FactorKind.PASSKEY.value
    TOTP = FactorKind.TOTP.value
    RECOVERY_CODE = FactorKind.RECOVERY_CODE.value


class Confirmations:
    """Confirms sign-ins."""

    def __init__(self, accounts: Accounts, tokens: Tokens, passwords: PasswordSignIn, factors: FactorVerifier) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._passwords = passwords
        self._factors = factors

    async def ways(self, caller: Caller) -> tuple[ConfirmedBy, ...]:
        """How the calling user can confirm their sign-in; none: by signing in again. Raises Forbidden for API keys."""
        user = await self._accounts.own_user(caller)
        kinds = await self._factors.kinds_of(user.id)
        if kinds:
            return tuple(ConfirmedBy(kind.value) for kind in kinds)
        return (ConfirmedBy.PASSWORD,) if self._passwords.accepts_password_of(user) else ()

    async def options(self, caller: Caller, party: RelyingParty) -> dict[str, Any]:
        """The options with which the browser lets a passkey of the user answer."""
        user = await self._accounts.own_user(caller)
        return await self._factors.options_to_prove(user.id, _purpose_of(caller), party)

    async def confirm(self, caller: Caller, password: str, proof: Proof, client: SignInClient) -> Confirmed:
        """Confirms the sign-in of the calling user. Its token is replaced.

        Args:
            caller: the user.
            password: of a user without a second factor; '' for others.
            proof: of a user with one.
            client: that sends it.

        Raises:
            Forbidden: the caller is not a user.
            Invalid: the password or the proof is missing or wrong.
            TooManyAttempts, Overloaded: it was not checked.
            Unauthenticated: the sign-in has ended meanwhile.
        """
        ways = await self.ways(caller)
        user = await self._accounts.own_user(caller)
        if not ways:
            raise Forbidden("this user has neither a password nor a second factor: sign in again")
        is_by_password = ways == (ConfirmedBy.PASSWORD,)
        place = "/password" if is_by_password else "/code"
        if not (password if is_by_password else proof.code or proof.passkey):
            detail = f"confirm with one of: {', '.join(ways)}"
            refuse([Violation("confirmation_missing", detail, place, {"kinds": list(ways)})])
        try:
            async with self._passwords.noting_failures(user.email, client):
                await self._check(caller, user, password if is_by_password else None, proof, client)
        except WrongSecondFactor as error:
            refuse([Violation(WrongSecondFactor.code, error.detail, place)])
        except Unauthenticated:
            refuse([Violation("wrong_password", "this is not the present password", place)])
        return await self._tokens.confirm(caller, by_factor=not is_by_password)

    async def _check(
        self, caller: Caller, user: User, password: str | None, proof: Proof, client: SignInClient
    ) -> None:
        if password is not None:
            await self._passwords.authenticate(user.email, password, client)
            return
        attempt = await self._passwords.code_attempt(user.email, client, sign_in=f"confirm-{caller.sign_in_id}")
        await self._factors.prove(user.id, proof, Prover(attempt, _purpose_of(caller), client.party))


def _purpose_of(caller: Caller) -> str:
    return f"confirmation of sign-in {caller.sign_in_id}"
