"""The identities of users at providers: lists them, connects them by verified email or invitation, disconnects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adsum.accounts import repository as users
from adsum.accounts.access import (
    Caller,
    Permission,
    Role,
    require_confirmed,
    require_may_manage,
    require_permission,
    system_caller,
)
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.repository import StoredUser
from adsum.accounts.rules import User, normalised_email
from adsum.accounts.service import caller_of_user, user_of_row
from adsum.accounts.single_sign_on import repository as statements
from adsum.accounts.single_sign_on.attempts import Attempts, Invitation
from adsum.accounts.single_sign_on.repository import StoredIdentity
from adsum.accounts.single_sign_on.rules import Identity, Refusal, SignInRefused
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database, RejectedRows
from adsum.platform.errors import Conflict, NotFound
from adsum.platform.setting_groups.providers import OidcProvider


class IdentityExists(Conflict):
    """The user has an identity at this provider already."""

    code = "identity_exists"


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """An identity of a user.

    Attributes:
        provider, label: the name in the settings, and that on pages; None: the provider is no longer there.
        subject: the id of the account at the provider.
        email: as the provider named it at the last sign-in; None: it names none.
        last_used_at: None: never since this is stored.
    """

    id: int
    provider: str | None
    label: str | None
    issuer: str
    subject: str
    email: str | None
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """The path that the user opens to sign in at the provider, and to be connected with the account there."""

    user: User
    path: str


class Identities:
    """The identities of users. The methods that take an email check no permission: the command line calls them. Nor
    does `user_of`: `SingleSignOn` calls it, which has verified the identity.

    Args:
        providers: by name.
    """

    def __init__(
        self, database: Database, providers: Mapping[str, OidcProvider], attempts: Attempts, now: Clock
    ) -> None:
        self._database = database
        self._providers = providers
        self._attempts = attempts
        self._now = now

    async def identities_of(self, email: str) -> Sequence[KnownIdentity]:
        """The identities of a user, by issuer. Raises NotFound."""
        async with self._database.snapshot() as connection:
            user = await _require_user(connection, email)
            return await self._known(connection, user.id)

    async def visible(self, caller: Caller, user_id: int | None = None) -> Sequence[KnownIdentity]:
        """The identities of the calling user, or of a user whose login the caller manages, by issuer.

        Raises:
            Forbidden: the caller is an API key without a user, or may not manage the login.
            NotFound: the caller does not see this user.
        """
        async with self._database.snapshot() as connection:
            user = await _own_or_managed(connection, caller, user_id)
            return await self._known(connection, user.id)

    async def _known(self, connection: Connection, user_id: int) -> list[KnownIdentity]:
        providers = {provider.issuer: provider for provider in self._providers.values()}
        known: list[KnownIdentity] = []
        for each in await statements.identities_of_users(connection, [user_id]):
            provider = providers.get(each.issuer)
            name, label = (None, None) if provider is None else (provider.name, provider.label)
            uses = (each.email, each.created_at, each.last_used_at)
            known.append(KnownIdentity(each.id, name, label, each.issuer, each.subject, *uses))
        return known

    async def invite(self, email: str, provider: str) -> NewInvitation:
        """An invitation for a user whose email the provider does not verify. It ends after a week.

        Raises:
            NotFound: no enabled user has this email, or there is no such provider.
            IdentityExists: the user has an identity at this provider.
        """
        issuer = self._require_provider(provider).issuer
        async with self._database.snapshot() as connection:
            user = await _require_user(connection, email)
            known = await statements.identities_of_users(connection, [user.id])
        if user.disabled:
            raise NotFound("no enabled user has this email")
        if issuer in {each.issuer for each in known}:
            raise IdentityExists(f"this user is connected with {provider}: disconnect it first")
        async with self._database.transaction() as connection:
            await record(
                *(connection, system_caller(), Action.IDENTITY_INVITED),
                school_id=user.school_id,
                user_id=user.id,
                after={"issuer": issuer},
            )
        text = self._attempts.invite(provider, Invitation(user.id, user.token_generation))
        return NewInvitation(user_of_row(user), f"/sign-in/{provider}?invitation={text}")

    async def disconnect(self, email: str, provider: str) -> User:
        """Deletes the identity of a user, ends all their sign-ins and invitations.

        Args:
            email: of the user.
            provider: its name, or its issuer if it is no longer in the settings.

        Raises:
            NotFound: no user has this email, or they have no such identity.
        """
        issuer = self._providers[provider].issuer if provider in self._providers else provider
        async with self._database.transaction() as connection:
            user = await _require_user(connection, email)
            known = await statements.identities_of_users(connection, [user.id])
            of_issuer = [each for each in known if each.issuer == issuer]
            if not of_issuer:
                raise NotFound(f"this user is not connected with {provider}")
            await _disconnect(connection, system_caller(), user, of_issuer[0])
        return user_of_row(user)

    async def disconnect_visible(self, caller: Caller, identity_id: int, user_id: int | None = None) -> None:
        """As `disconnect`, for an identity of `visible`.

        Raises:
            ConfirmationNeeded: the caller has confirmed their sign-in too long ago.
            Forbidden: as `visible`.
            NotFound: as `visible`, or there is no such identity.
        """
        async with self._database.transaction() as connection:
            user = await _own_or_managed(connection, caller, user_id)
            require_confirmed(caller)
            known = await statements.identities_of_users(connection, [user.id])
            found = [each for each in known if each.id == identity_id]
            if not found:
                raise NotFound("there is no such account at a provider")
            await _disconnect(connection, caller, user, found[0])

    async def user_of(self, identity: Identity, invitation: Invitation | None) -> User:
        """The user of an identity. The first time, connects it with a user.

        Args:
            identity: proved by a verified ID token.
            invitation: that the user follows; it takes the place of a verified email.

        Raises:
            SignInRefused: there is no such user, they are disabled, or they have another identity of this issuer.
        """
        try:
            return await self._user_of(identity, invitation)
        except RejectedRows:  # a concurrent request has connected the identity, or the user
            return await self._user_of(identity, invitation)

    async def _user_of(self, identity: Identity, invitation: Invitation | None) -> User:
        async with self._database.transaction() as connection:
            user_id = await statements.user_id_of_identity(connection, identity.issuer, identity.subject)
            if user_id is not None:
                user = _require_meant((await users.users_of_ids(connection, [user_id])).get(user_id), invitation)
                await statements.note_use_of_identity(connection, identity, self._now())
                return user_of_row(user)
        async with self._database.transaction() as connection:
            user = _require_enabled(await self._user_to_connect(connection, identity, invitation))
            known = await statements.identities_of_users(connection, [user.id])
            if identity.issuer in {each.issuer for each in known}:
                raise SignInRefused(Refusal.OTHER_IDENTITY, "the user is connected with another account")
            await statements.insert_identity(connection, user.id, identity, self._now())
            await record(
                *(connection, caller_of_user(user), Action.IDENTITY_CONNECTED),
                school_id=user.school_id,
                user_id=user.id,
                after={"issuer": identity.issuer},
            )
        return user_of_row(user)

    async def _user_to_connect(
        self, connection: Connection, identity: Identity, invitation: Invitation | None
    ) -> StoredUser | None:
        """The user whom the email or the invitation names, and whom nobody erases until the transaction ends."""
        if invitation is not None:
            await users.keep_user(connection, invitation.user_id)
            user = (await users.users_of_ids(connection, [invitation.user_id])).get(invitation.user_id)
            if user is None or user.token_generation != invitation.generation:
                raise SignInRefused(Refusal.INVITATION_OVER, "the invitation is over")
            return user
        if identity.email is None:
            raise SignInRefused(Refusal.NO_EMAIL, "the provider names no email")
        if not identity.is_verified:
            raise SignInRefused(Refusal.UNVERIFIED_EMAIL, "the provider has not verified the email")
        return await users.user_of_email(connection, identity.email, keep=True)

    def _require_provider(self, name: str) -> OidcProvider:
        if name not in self._providers:
            known = ", ".join(self._providers) or "none is set"
            raise NotFound(f"there is no provider {name} in ADSUM_OIDC_PROVIDERS: {known}")
        return self._providers[name]


async def _require_user(connection: Connection, email: str) -> StoredUser:
    user = await users.user_of_email(connection, normalised_email(email))
    if user is None:
        raise NotFound("no user has this email")
    return user


async def _own_or_managed(connection: Connection, caller: Caller, user_id: int | None) -> StoredUser:
    """The calling user if `user_id` is None or their own, else a user whose login the caller manages."""
    is_own = user_id in {None, caller.user_id} and caller.key_id is None
    if not is_own:
        require_permission(caller, Permission.USER_MANAGE)
    wanted = caller.user_id if user_id is None else user_id
    user = None if wanted is None else (await users.users_of_ids(connection, [wanted])).get(wanted)
    if user is None or not (is_own or _is_visible(caller, user)):
        raise NotFound("there is no such user")
    if not is_own:
        require_may_manage(caller, Role(user.role), user.school_id)
    return user


def _is_visible(caller: Caller, user: StoredUser) -> bool:
    return caller.schools is None or user.school_id in caller.schools


async def _disconnect(connection: Connection, caller: Caller, user: StoredUser, identity: StoredIdentity) -> None:
    """Deletes an identity, ends all sign-ins of the user and their invitations, and records it."""
    if not await statements.delete_identity(connection, user.id, identity.id):
        raise NotFound("somebody else has disconnected it")
    await users.end_tokens(connection, user.id)
    await record(
        *(connection, caller, Action.IDENTITY_DISCONNECTED),
        school_id=user.school_id,
        user_id=user.id,
        before={"issuer": identity.issuer},
    )


def _require_meant(user: StoredUser | None, invitation: Invitation | None) -> StoredUser:
    """The user of an identity that is connected. An invitation for somebody else is refused, and not ignored."""
    user = _require_enabled(user)
    if invitation is not None and invitation.user_id != user.id:
        raise SignInRefused(Refusal.OTHER_USER, "the account is connected with another user")
    return user


def _require_enabled(user: StoredUser | None) -> StoredUser:
    if user is None or user.email is None:
        raise SignInRefused(Refusal.NO_ACCOUNT, "there is no user for the account")
    if user.disabled:
        raise SignInRefused(Refusal.DISABLED, "the user is disabled")
    return user
