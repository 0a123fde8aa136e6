"""`adsum user identities`, `connect` and `disconnect`: the accounts of users at OpenID Connect providers."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.single_sign_on.identities import Identities
from adsum.accounts.single_sign_on.schemas import IdentityItem, InvitationItem
from adsum.platform.command_line.output import Json, show_item, show_items, show_one
from adsum.platform.command_line.session import run_with
from adsum.platform.settings import load_settings

IDENTITY_COLUMNS = ("provider", "issuer", "subject", "email", "createdAt", "lastUsedAt")
Email = Annotated[str, typer.Argument(metavar="EMAIL")]
ProviderName = Annotated[str, typer.Argument(metavar="PROVIDER", help="Its name in ADSUM_OIDC_PROVIDERS.")]


def list_identities(email: Email, *, as_json: Json = False) -> None:
    """Show the accounts at providers with which a user signs in."""
    found = run_with(Identities, lambda identities: identities.identities_of(email))
    show_items(IDENTITY_COLUMNS, [IdentityItem.model_validate(each) for each in found], as_json=as_json)


def connect(email: Email, provider: ProviderName, *, as_json: Json = False) -> None:
    """Print a link with which a user connects their account at a provider.

    For providers that do not verify emails. A person who opens the link and signs in there becomes this user: send it
    to nobody else. It ends after a week, when it was used, and when the user gets a new password.
    """
    settings = load_settings()
    new = run_with(Identities, lambda identities: identities.invite(email, provider))
    url = f"{settings.public_url or f'http://{settings.host}:{settings.port}'}{new.path}"
    show_item(InvitationItem(email=new.user.email, provider=provider, url=url), as_json=as_json)


def disconnect(
    email: Email,
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="Its name in ADSUM_OIDC_PROVIDERS, or an issuer that was there.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Disconnect a user from their account at a provider, and end all their sign-ins."""
    user = run_with(Identities, lambda identities: identities.disconnect(email, provider))
    show_one({"email": user.email, "provider": provider, "disconnected": True}, as_json=as_json)
