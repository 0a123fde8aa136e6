"""Verifies second factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adsum.accounts.audit.repository import record_about_user
from adsum.accounts.audit.rules import Action
from adsum.accounts.second_factors import repository as statements
from adsum.accounts.second_factors.app_secrets import AppSecrets
from adsum.accounts.second_factors.attempts import CodeAttempt, CodeAttempts
from adsum.accounts.second_factors.passkeys import KnownPasskey, Passkeys, RelyingParty, credential_of, load_library
from adsum.accounts.second_factors.repository import StoredApp
from adsum.accounts.second_factors.rules import FactorKind, Proof, hash_of_code, is_totp, step_of_code, typed_code
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import WrongSecondFactor
from adsum.platform.telemetry import logger

WRONG = "the code or the passkey is wrong, or was used before"

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Prover:
    """The origin of a proof: the author of its codes, the purpose of its passkey's challenge, and this site.

    `party` is None where passkeys cannot be used.
    """

    attempt: CodeAttempt
    purpose: str
    party: RelyingParty | None = None


class FactorVerifier:
    """Verifies codes and answers of passkeys. Each is accepted once.

    Args:
        database: of the users.
        passkeys: checks their answers.
        secrets: of apps.
        attempts: limits codes.
        now: the clock.
    """

    def __init__(
        self, database: Database, passkeys: Passkeys, secrets: AppSecrets, attempts: CodeAttempts, now: Clock
    ) -> None:
        self._database = database
        self._passkeys = passkeys
        self._secrets = secrets
        self._attempts = attempts
        self._now = now

    async def kinds_of(self, user_id: int) -> tuple[FactorKind, ...]:
        """The ways in which a user can prove a second factor; none: they have no factor."""
        async with self._database.snapshot() as connection:
            return await kinds_of(connection, user_id)

    async def prove(self, user_id: int, proof: Proof, prover: Prover) -> FactorKind:
        """Checks the proof of a second factor, and uses it up.

        Raises:
            WrongSecondFactor: it is wrong, or was used before.
            TooManyAttempts: the code was not checked.
        """
        if proof.passkey:
            await self._prove_by_passkey(user_id, proof.passkey, prover)
            return FactorKind.PASSKEY
        code = typed_code(proof.code)
        await self._attempts.take(prover.attempt, is_totp=is_totp(code))
        is_right = await (self._use_totp(user_id, code) if is_totp(code) else self._use_recovery_code(user_id, code))
        if not is_right:
            log.warning("wrong second factor", user_id=user_id)
            raise WrongSecondFactor(WRONG)
        await self._attempts.succeeded(prover.attempt)
        return FactorKind.TOTP if is_totp(code) else FactorKind.RECOVERY_CODE

    async def options_to_prove(self, user_id: int, purpose: str, party: RelyingParty) -> dict[str, Any]:
        """The options with which a browser lets a passkey of this user answer."""
        async with self._database.snapshot() as connection:
            known = await statements.passkeys_of_user(connection, user_id)
        await load_library()
        return self._passkeys.options_to_answer(party, purpose, known, verifies_user=False)

    async def options_to_sign_in(self, purpose: str, party: RelyingParty) -> dict[str, Any]:
        """The options with which a browser lets any passkey of this site answer, instead of a password."""
        await load_library()
        return self._passkeys.options_to_answer(party, purpose, (), verifies_user=True)

    async def user_of_passkey(self, answer: str, purpose: str, party: RelyingParty) -> int:
        """The id of the user whose passkey has answered instead of a password.

        The passkey has verified the user, so that it is a second factor, too. Raises WrongSecondFactor.
        """
        await load_library()
        credential_id, handle = credential_of(answer)
        async with self._database.snapshot() as connection:
            found = await statements.passkey_of_credential(connection, credential_id)
        if found is None or found[1] != handle:
            raise WrongSecondFactor("nobody has this passkey here")
        known = found[0]
        await self._use_passkey(party, purpose, answer, known, verifies_user=True)
        return known.user_id

    async def _prove_by_passkey(self, user_id: int, answer: str, prover: Prover) -> None:
        if prover.party is None:
            raise WrongSecondFactor("passkeys need HTTPS and an address with a name")
        await load_library()
        credential_id, _ = credential_of(answer)
        async with self._database.snapshot() as connection:
            found = await statements.passkey_of_credential(connection, credential_id)
        if found is None or found[0].user_id != user_id:
            raise WrongSecondFactor("this user has no such passkey")
        await self._use_passkey(prover.party, prover.purpose, answer, found[0], verifies_user=False)

    async def _use_passkey(
        self, party: RelyingParty, purpose: str, answer: str, known: KnownPasskey, *, verifies_user: bool
    ) -> None:
        answered = self._passkeys.check_answer(party, purpose, answer, known, verifies_user=verifies_user)
        async with self._database.transaction() as connection:
            is_new = await statements.use_passkey(
                connection, known, answered.sign_count, answered.challenge_made_at, self._now()
            )
        if not is_new:
            raise WrongSecondFactor("this answer of the passkey was used before")

    async def _use_totp(self, user_id: int, code: str) -> bool:
        now = self._now()
        async with self._database.transaction() as connection:
            for app in await statements.apps_of_user(connection, user_id):
                step = await self._step_of(connection, user_id, app, code)
                if step is not None:
                    return await statements.use_app(connection, app.id, step, now)
        return False

    async def _step_of(self, connection: Connection, user_id: int, app: StoredApp, code: str) -> int | None:
        opened = self._secrets.open(user_id, app)
        if opened is None:
            return None
        step = step_of_code(opened.text, code, self._now(), app.last_step)
        if step is not None and not opened.is_current:
            await statements.set_sealed_secret(connection, app.id, self._secrets.seal(user_id, opened.text))
        return step

    async def _use_recovery_code(self, user_id: int, code: str) -> bool:
        async with self._database.transaction() as connection:
            is_right = await statements.use_recovery_code(connection, user_id, hash_of_code(code), self._now())
            if is_right:
                await record_about_user(connection, None, Action.RECOVERY_CODE_USED, user_id)
        return is_right


async def kinds_of(connection: Connection, user_id: int) -> tuple[FactorKind, ...]:
    """The ways in which a user can prove a second factor."""
    kinds = (FactorKind.PASSKEY, FactorKind.TOTP)
    found = [kind for kind in kinds if await statements.factors_of_user(connection, user_id, kind)]
    return (*found, FactorKind.RECOVERY_CODE) if found else ()
