"""The second factors of users: passkeys, authenticator apps and recovery codes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from adsum.accounts import repository as users
from adsum.accounts.access import Caller, Role, require_confirmed
from adsum.accounts.audit.repository import record, record_about_user
from adsum.accounts.audit.rules import Action
from adsum.accounts.repository import StoredUser
from adsum.accounts.second_factors import repository as statements
from adsum.accounts.second_factors.app_secrets import AppSecrets, AppSetup
from adsum.accounts.second_factors.passkeys import Passkeys, RelyingParty, load_library
from adsum.accounts.second_factors.repository import FactorRow
from adsum.accounts.second_factors.rules import (
    MAX_FACTORS,
    FactorExists,
    FactorKind,
    LastFactor,
    hash_of_code,
    new_recovery_codes,
    step_of_code,
    typed_code,
    validate_factor_name,
)
from adsum.accounts.second_factors.verifier import kinds_of
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database, RejectedRows
from adsum.platform.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Unauthenticated,
    Violation,
    refuse,
)


@dataclass(frozen=True, slots=True)
class OwnFactors:
    """The second factors of a user. `is_required`: their role needs one."""

    passkeys: Sequence[FactorRow]
    apps: Sequence[FactorRow]
    recovery_codes: int
    is_required: bool

    @property
    def count(self) -> int:
        return len(self.passkeys) + len(self.apps)


class SecondFactors:
    """Manages second factors.

    Args:
        database: of the users.
        passkeys: checks their answers.
        secrets: of apps.
        now: the clock.
        required_for: roles whose users keep at least one factor.
    """

    def __init__(
        self,
        database: Database,
        passkeys: Passkeys,
        secrets: AppSecrets,
        now: Clock,
        required_for: Collection[Role] = (),
    ) -> None:
        self._database = database
        self._passkeys = passkeys
        self._secrets = secrets
        self._now = now
        self._required_for = frozenset(required_for)

    async def own(self, caller: Caller) -> OwnFactors:
        """The factors of the calling user. Raises Forbidden for an API key."""
        user_id = _user_id_of(caller)
        async with self._database.snapshot() as connection:
            return OwnFactors(
                await statements.factors_of_user(connection, user_id, FactorKind.PASSKEY),
                await statements.factors_of_user(connection, user_id, FactorKind.TOTP),
                await statements.count_recovery_codes(connection, user_id),
                caller.role in self._required_for,
            )

    async def confirmed_user(self, caller: Caller) -> StoredUser:
        """The calling user, if they may change their factors now. A user with factors proves one first.

        Raises:
            ConfirmationNeeded: the sign-in was confirmed too long ago, or without a factor that the user has.
            Forbidden: the caller is not a user.
            Unauthenticated: there is no such user any more.
        """
        require_confirmed(caller)
        user_id = _user_id_of(caller)
        async with self._database.snapshot() as connection:
            user = (await users.users_of_ids(connection, [user_id])).get(user_id)
            require_confirmed(caller, by_factor=bool(await kinds_of(connection, user_id)))
        if user is None:
            raise Unauthenticated("there is no such user")
        return user

    async def new_app(self, caller: Caller) -> AppSetup:
        """A secret for an app. Nothing is stored before `add_app`. Raises ConfirmationNeeded, Forbidden."""
        user = await self.confirmed_user(caller)
        return self._secrets.new_setup(user.id, user.email or "")

    async def reopened_app(self, caller: Caller, sealed: str) -> AppSetup:
        """The secret of a setup whose code was wrong. Raises NotFound: it is too old, or belongs to another user."""
        user = await self.confirmed_user(caller)
        return self._secrets.reopened_setup(user.id, user.email or "", sealed)

    async def add_app(self, caller: Caller, sealed: str, code: str, name: str) -> list[str]:
        """Adds an authenticator app.

        Args:
            caller: the user.
            sealed: from `new_app`.
            code: that the app shows.
            name: of the app.

        Returns:
            Recovery codes, if it is the first factor; they can be shown only now.

        Raises:
            ConfirmationNeeded, Forbidden: as `confirmed_user`.
            NotFound: the setup was made too long ago.
            Invalid: the code or the name is wrong.
            FactorExists: this app is set up already, as by a form that was sent twice.
            Conflict: there are too many apps.
        """
        user = await self.confirmed_user(caller)
        secret, name, now = self._secrets.secret_of_setup(user.id, sealed), name.strip(), self._now()
        step = step_of_code(secret, typed_code(code), now, after=0)
        wrong = Violation("wrong_second_factor", "the app shows another code: check the clock of its device", "/code")
        refuse([*validate_factor_name(name), *([] if step is not None else [wrong])])
        assert step is not None, "a missing step is refused"
        async with self._database.transaction() as connection:
            codes = await self._before_addition(connection, caller, FactorKind.TOTP)
            opened = [self._secrets.open(user.id, app) for app in await statements.apps_of_user(connection, user.id)]
            if secret in [each.text for each in opened if each is not None]:
                raise FactorExists("this app is set up already")
            await statements.insert_app(
                *(connection, user.id),
                name=name,
                sealed_secret=self._secrets.seal(user.id, secret),
                last_step=step,
                now=now,
            )
            await _record(connection, caller, Action.SECOND_FACTOR_ADDED, FactorKind.TOTP)
        return codes

    async def options_to_register(self, caller: Caller, party: RelyingParty) -> dict[str, Any]:
        """The options with which a browser makes a passkey. Raises ConfirmationNeeded, Forbidden."""
        user = await self.confirmed_user(caller)
        async with self._database.transaction() as connection:
            await _require_confirmed(connection, caller, user.id)
            handle = await statements.passkey_handle(connection, user.id, token_urlsafe(32))
            known = await statements.passkeys_of_user(connection, user.id)
        await load_library()
        return self._passkeys.options_to_register(party, _registration_of(caller), handle, user.email or "", known)

    async def add_passkey(self, caller: Caller, party: RelyingParty, answer: str, name: str) -> list[str]:
        """Adds the passkey that a browser has made. Returns and raises as `add_app`, and WrongSecondFactor."""
        user = await self.confirmed_user(caller)
        refuse(validate_factor_name(name := name.strip()))
        await load_library()
        new = self._passkeys.check_registration(party, _registration_of(caller), answer)
        try:
            async with self._database.transaction() as connection:
                codes = await self._before_addition(connection, caller, FactorKind.PASSKEY)
                await statements.insert_passkey(connection, user.id, name, new, self._now())
                await _record(connection, caller, Action.SECOND_FACTOR_ADDED, FactorKind.PASSKEY)
        except RejectedRows:
            raise FactorExists("this passkey is registered already") from None
        return codes

    async def rename(self, caller: Caller, kind: FactorKind, factor_id: int, name: str) -> None:
        """Renames a factor of the calling user. Raises Invalid, NotFound, Forbidden."""
        user_id = _user_id_of(caller)
        refuse(validate_factor_name(name := name.strip()))
        async with self._database.transaction() as connection:
            is_renamed = await statements.rename_factor(connection, user_id, kind, factor_id, name)
        if not is_renamed:
            raise NotFound("there is no such second factor", kind=kind.value, id=factor_id)

    async def remove(self, caller: Caller, kind: FactorKind, factor_id: int) -> None:
        """Removes a factor of the calling user; with the last one, their recovery codes.

        Raises:
            ConfirmationNeeded, Forbidden: as `confirmed_user`.
            NotFound: there is no such factor.
            LastFactor: their role needs one.
        """
        user_id = _user_id_of(caller)
        async with self._database.transaction() as connection:
            await _require_confirmed(connection, caller, user_id)
            if not await statements.delete_factor(connection, user_id, kind, factor_id):
                raise NotFound("there is no such second factor", kind=kind.value, id=factor_id)
            if not await kinds_of(connection, user_id):
                if caller.role in self._required_for:
                    raise LastFactor("your role needs a second factor: add another one before you remove this one")
                await statements.replace_recovery_codes(connection, user_id, [])
            await _record(connection, caller, Action.SECOND_FACTOR_REMOVED, kind)

    async def renew_recovery_codes(self, caller: Caller) -> list[str]:
        """Replaces the recovery codes. Raises ConfirmationNeeded, Forbidden, and NotFound: the user has no factor."""
        user_id = _user_id_of(caller)
        codes = new_recovery_codes()
        async with self._database.transaction() as connection:
            if not await _require_confirmed(connection, caller, user_id):
                raise NotFound("recovery codes need a second factor")
            await statements.replace_recovery_codes(connection, user_id, [hash_of_code(each) for each in codes])
            await record_about_user(connection, caller, Action.RECOVERY_CODES_RENEWED, user_id)
        return codes

    async def _before_addition(self, connection: Connection, caller: Caller, kind: FactorKind) -> list[str]:
        """Locks the user and makes recovery codes if this is their first factor: then all other sign-ins end."""
        user_id = _user_id_of(caller)
        has_factors = await _require_confirmed(connection, caller, user_id)
        if len(await statements.factors_of_user(connection, user_id, kind)) >= MAX_FACTORS:
            raise Conflict(f"a user has at most {MAX_FACTORS} second factors of a kind")
        if has_factors:
            return []
        assert caller.sign_in_id is not None, "a user without a key has sent a token"
        codes = new_recovery_codes()
        await statements.replace_recovery_codes(connection, user_id, [hash_of_code(each) for each in codes])
        await statements.keep_only_sign_in(connection, user_id, caller.sign_in_id)
        return codes


async def _require_confirmed(connection: Connection, caller: Caller, user_id: int) -> bool:
    """Locks the user whose factors change. Returns whether they have any. Raises as `confirmed_user`."""
    require_confirmed(caller)
    if not await statements.lock_user(connection, user_id):
        raise Unauthenticated("there is no such user")
    has_factors = bool(await kinds_of(connection, user_id))
    require_confirmed(caller, by_factor=has_factors)
    return has_factors


async def _record(connection: Connection, caller: Caller, action: Action, kind: FactorKind) -> None:
    await record_about_user(connection, caller, action, _user_id_of(caller), after={"kind": kind.value})


def _user_id_of(caller: Caller) -> int:
    if caller.user_id is None or caller.key_id is not None:
        raise Forbidden("only users have second factors")
    return caller.user_id


def _registration_of(caller: Caller) -> str:
    return f"registration by sign-in {caller.sign_in_id}"


async def reset_factors(connection: Connection, user_id: int, school_id: int | None, caller: Caller) -> bool:
    """Removes all factors of a user, ends their sign-ins and clears their wrong codes. Returns whether they had any."""
    await statements.lock_user(connection, user_id)
    had_any = await statements.delete_factors(connection, user_id)
    await users.end_tokens(connection, user_id)
    await users.unlock(connection, user_id)
    await record(
        *(connection, caller, Action.SECOND_FACTORS_RESET),
        school_id=school_id,
        user_id=user_id,
        before={"hadSecondFactor": had_any},
    )
    return had_any
