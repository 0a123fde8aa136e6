"""Settings of sign-ins, second factors and API keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode

from adsum.platform.setting_files import PREFIX
from adsum.platform.setting_groups.providers import MAX_PROVIDERS, OidcProvider, distinct_providers, providers_in
from adsum.platform.setting_groups.values import Emails, Roles


class AccountSettings(BaseSettings):
    """Sign-ins, second factors and API keys."""

    token_ttl: Annotated[int, Field(ge=60, description="Seconds after which a sign-in and its token end.")] = 12 * 3600
    password_min_length: Annotated[
        int,
        Field(
            ge=8,
            le=64,
            description="The minimum length of a new password. NIST SP 800-63B asks for 15 without a second factor.",
        ),
    ] = 12
    breached_passwords: Annotated[
        Path | None,
        Field(
            description="A file or folder with the SHA-1 hashes of passwords that are known from data breaches, as "
            "[Have I Been Pwned](../how-to/run-in-production.md#breached-passwords) offers for download. New passwords "
            "are looked up there. Unset: they are not."
        ),
    ] = None
    oidc_providers: Annotated[
        tuple[OidcProvider, ...],
        NoDecode,
        BeforeValidator(providers_in),
        AfterValidator(distinct_providers),
        Field(
            max_length=MAX_PROVIDERS,
            description="OpenID Connect providers at which users sign in: a JSON list, see [below](#providers). It "
            "contains secrets, so a file is the best place: `ADSUM_OIDC_PROVIDERS_FILE`.",
        ),
    ] = ()
    password_sign_in: Annotated[
        bool,
        Field(
            description="Whether users sign in with a password of Adsum. `false`: only those of "
            "`ADSUM_EMERGENCY_ACCOUNTS` do."
        ),
    ] = True
    emergency_accounts: Annotated[
        Emails,
        Field(
            description="Emails of the users, separated by commas, who keep their password if "
            "`ADSUM_PASSWORD_SIGN_IN` is `false`."
        ),
    ] = ""
    idle_timeout: Annotated[
        int,
        Field(
            ge=60,
            description="Seconds without use after which a sign-in on the page ends. Automatic updates of an open "
            "page do not count as use.",
        ),
    ] = 3600
    second_factor_roles: Annotated[
        Roles,
        Field(
            description="Roles whose users need a second factor, separated by commas, such as `admin,office`. Without "
            "one they can only set it up."
        ),
    ] = ""
    second_factor_of_provider: Annotated[
        bool,
        Field(
            description="Whether the second factor of a single sign-on provider counts where "
            "`ADSUM_SECOND_FACTOR_ROLES` needs one."
        ),
    ] = False
    confirmed_for: Annotated[
        int,
        Field(
            ge=30,
            le=12 * 3600,
            description="Seconds after which a signed-in user is asked again for the password or the second factor "
            "before critical actions.",
        ),
    ] = 600
    key_max_days: Annotated[
        int,
        Field(
            ge=0,
            le=3_660,
            description="Days after which an API key expires at the latest. Existing ones that last longer get a "
            "warning. 0: keys may last permanently.",
        ),
    ] = 0

    @model_validator(mode="after")
    def _lets_somebody_sign_in(self) -> Self:
        if not self.password_sign_in and not self.oidc_providers and not self.emergency_emails:
            raise ValueError(
                f"{PREFIX}PASSWORD_SIGN_IN: nobody could sign in: set {PREFIX}OIDC_PROVIDERS or "
                f"{PREFIX}EMERGENCY_ACCOUNTS, too"
            )
        return self

    @property
    def emergency_emails(self) -> frozenset[str]:
        """The emergency accounts, normalised as the emails of users."""
        return frozenset(each.strip().lower() for each in self.emergency_accounts.split(",") if each.strip())

    @property
    def roles_with_second_factor(self) -> frozenset[str]:
        return frozenset(part.strip() for part in self.second_factor_roles.split(",") if part.strip())
