"""The identities of users at providers: lists them, connects them by verified email or invitation, disconnects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adsum.accounts import repository as users
from adsum.accounts.access import system_caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.repository import StoredUser
from adsum.accounts.service import User, caller_of_user, normalised_email, user_of_row
from adsum.accounts.single_sign_on import repository as statements
from adsum.accounts.single_sign_on.attempts import Attempts, Invitation
from adsum.accounts.single_sign_on.rules import Identity, Refusal, SignInRefused
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database, RejectedRows
from adsum.platform.errors import Conflict, NotFound
from adsum.platform.oidc_settings import OidcProvider


class IdentityExists(Conflict):
    """The user has an identity at this provider already."""

    code = "identity_exists"


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """An identity of a user. `provider` is the name in the settings; None: it is no longer there."""

    provider: str | None
    issuer: str
    subject: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """The path that the user opens to sign in at the provider, and to be connected with the account there."""

    user: User
    path: str


class Identities:
    """Checks no permission: the command line calls it, and `SingleSignOn`, which has verified the identity.

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
            found = await statements.identities_of_users(connection, [user.id])
        names = {provider.issuer: name for name, provider in self._providers.items()}
        return [KnownIdentity(names.get(each.issuer), each.issuer, each.subject, each.created_at) for each in found]

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
            if not await statements.delete_identity(connection, user.id, issuer):
                raise NotFound(f"this user is not connected with {provider}")
            await users.end_tokens(connection, user.id)
            await record(
                *(connection, system_caller(), Action.IDENTITY_DISCONNECTED),
                school_id=user.school_id,
                user_id=user.id,
                before={"issuer": issuer},
            )
        return user_of_row(user)

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
        async with self._database.snapshot() as connection:
            user_id = await statements.user_id_of_identity(connection, identity.issuer, identity.subject)
            if user_id is not None:
                user = (await users.users_of_ids(connection, [user_id])).get(user_id)
                return user_of_row(_require_meant(user, invitation))
        async with self._database.transaction() as connection:
            user = _require_enabled(await self._user_to_connect(connection, identity, invitation))
            known = await statements.identities_of_users(connection, [user.id])
            if identity.issuer in {each.issuer for each in known}:
                raise SignInRefused(Refusal.OTHER_IDENTITY, "the user is connected with another account")
            await statements.insert_identity(connection, user.id, identity.issuer, identity.subject, self._now())
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
        if invitation is not None:
            user = (await users.users_of_ids(connection, [invitation.user_id])).get(invitation.user_id)
            if user is None or user.token_generation != invitation.generation:
                raise SignInRefused(Refusal.INVITATION_OVER, "the invitation is over")
            return user
        if identity.email is None:
            raise SignInRefused(Refusal.NO_EMAIL, "the provider names no email")
        if not identity.is_verified:
            raise SignInRefused(Refusal.UNVERIFIED_EMAIL, "the provider has not verified the email")
        return await users.user_of_email(connection, identity.email)

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
