"""The value of ADSUM_OIDC_PROVIDERS: the OpenID Connect providers at which users sign in."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from adsum.platform.addresses import is_encrypted_or_local

GOOGLE = "https://accounts.google.com"
MAX_PROVIDERS = 20
# Pages beside those of providers: `/sign-in/passkey`.
RESERVED_NAMES = frozenset({"passkey", "second-factor"})
_ENTRA = "login.microsoftonline.com"
_ENTRA_OF_ALL_TENANTS = frozenset({"common", "organizations", "consumers", "{tenantid}"})
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]+(\.[a-z0-9-]+)+")
_PRINTABLE = r"^[!-~]+$"


def _issuer(text: str) -> str:
    if not is_encrypted_or_local(text) or urlsplit(text).query:
        raise ValueError(f"{text!r} is not the https address of a provider, such as {GOOGLE}")
    parts = urlsplit(text)
    if parts.hostname == _ENTRA and parts.path.strip("/").partition("/")[0].lower() in _ENTRA_OF_ALL_TENANTS:
        raise ValueError(
            f"{text!r} is the address for all tenants of Microsoft Entra: name the tenant, as in "
            f"https://{_ENTRA}/TENANT-ID/v2.0, and each further tenant as a provider of its own"
        )
    return text


def _domains(domains: tuple[str, ...]) -> tuple[str, ...]:
    domains = tuple(each.strip().lower() for each in domains)
    for each in domains:
        if not _DOMAIN.fullmatch(each):
            raise ValueError(f"{each!r} is not the domain of an email address, such as school.example")
    return domains


def _scopes(text: str) -> str:
    if "openid" not in text.split():
        raise ValueError("the scopes have to contain openid")
    return " ".join(text.split())


def _name(text: str) -> str:
    if text in RESERVED_NAMES:
        raise ValueError(f"{text!r} is the address of another page: choose another name")
    return text


def _label(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("a label has visible characters only")
    return text.strip()


def _content_of_file(path: Any) -> Any:
    if not isinstance(path, str):
        raise ValueError("this is not the path of a file")  # noqa: TRY004 - pydantic reports ValueError
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if not content:
        raise ValueError(f"{path} is empty")
    return content


Secret = Annotated[SecretStr, Field(min_length=1, max_length=1_000)]


class OidcProvider(BaseModel):
    """One provider. Its names of fields are those of the OpenID Connect standards where they have one."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[
        str,
        AfterValidator(_name),
        Field(
            pattern=r"^[a-z][a-z0-9-]{0,31}$",
            description="A short name, which is part of the redirect URI: `…/sign-in/NAME/callback`.",
        ),
    ]
    label: Annotated[
        Annotated[str, Field(max_length=60)],
        AfterValidator(_label),
        Field(description="The name on the button, such as `Google`."),
    ]
    issuer: Annotated[
        str, AfterValidator(_issuer), Field(max_length=255, description="The issuer, exactly as the provider names it.")
    ]
    client_id: Annotated[str, Field(pattern=_PRINTABLE, max_length=255, description="The id of Adsum at the provider.")]
    client_secret: Annotated[Secret | None, Field(description="The secret of Adsum at the provider.")] = None
    client_secret_file: Annotated[
        Annotated[Secret, BeforeValidator(_content_of_file)] | None,
        Field(description="The file with this secret, instead of `client_secret`."),
    ] = None
    domains: Annotated[
        tuple[str, ...],
        AfterValidator(_domains),
        Field(
            min_length=1,
            max_length=200,
            description="The domains of email addresses that are allowed. Everybody else of this provider is refused.",
        ),
    ]
    email_claim: Annotated[
        str, Field(pattern=_PRINTABLE, max_length=100, description="The claim with the email address.")
    ] = "email"
    verified_claim: Annotated[
        str,
        Field(
            pattern=_PRINTABLE,
            max_length=100,
            description="The claim that is true if the provider has verified that address. `xms_edov` for Entra.",
        ),
    ] = "email_verified"
    scopes: Annotated[
        str,
        Field(max_length=500),
        AfterValidator(_scopes),
        Field(description="The scopes to ask for, separated by blanks."),
    ] = "openid email"
    prompt: Annotated[
        Literal["select_account", "login", "consent"] | None,
        Field(
            description="The question that the provider asks at each sign-in: `select_account` lets people choose an "
            "account, `login` makes them sign in again. Unset: as the provider likes."
        ),
    ] = None

    @model_validator(mode="after")
    def _has_one_secret(self) -> OidcProvider:
        if (self.client_secret is None) == (self.client_secret_file is None):
            raise ValueError("name either client_secret or client_secret_file")
        return self

    @property
    def secret(self) -> str:
        """The secret of Adsum at the provider."""
        secret = self.client_secret or self.client_secret_file
        assert secret is not None, "a provider without a secret is not valid"
        return secret.get_secret_value()


def providers_in(value: Any) -> Any:
    """Parses the JSON of ADSUM_OIDC_PROVIDERS."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    if not isinstance(found, list):
        raise ValueError('this is not a JSON list of providers, such as [{"name": "google", …}]')  # noqa: TRY004
    return found  # pyright: ignore[reportUnknownVariableType] - pydantic validates it


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if repeated:
        raise ValueError(f"{repeated[0]!r} is named twice in one provider")
    return dict(pairs)


def distinct_providers(providers: Sequence[OidcProvider]) -> Sequence[OidcProvider]:
    """Refuses providers that could be confused: two with one name, label or issuer.

    A user has one identity per issuer, and an answer says of which issuer it is.
    """
    for field in ("name", "label", "issuer"):
        counted = Counter(getattr(each, field) for each in providers)
        for value, times in counted.items():
            if times > 1:
                raise ValueError(f"{times} providers have the {field} {value!r}")
    return providers


def text_of_providers(providers: Sequence[OidcProvider]) -> str:
    """The JSON of these providers, with their secrets: for the environment of a child process."""
    secrets = {"client_secret", "client_secret_file"}
    return json.dumps(
        [each.model_dump(exclude=secrets, exclude_none=True) | {"client_secret": each.secret} for each in providers]
    )
