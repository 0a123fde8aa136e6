"""Identities and invitations, as the command line prints them with `--json`."""

from __future__ import annotations

from adsum.platform.http.schemas import Moment, Schema


class IdentityItem(Schema):
    """An account of a user at a provider. `provider` is null if it is no longer in the settings.

    `email`: as the provider named it at the last sign-in there.
    """

    provider: str | None
    issuer: str
    subject: str
    email: str | None
    created_at: Moment
    last_used_at: Moment | None


class InvitationItem(Schema):
    """The address at which a user connects their account at a provider."""

    email: str
    provider: str
    url: str
