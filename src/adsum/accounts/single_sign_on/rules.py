"""Providers' answers: when they are trusted, and whose identity they prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, TypeGuard, cast

from adsum.accounts.rules import may_be_email, normalised_email
from adsum.platform.addresses import is_encrypted_or_local
from adsum.platform.errors import Forbidden, Unavailable, UnusableAnswer
from adsum.platform.setting_groups.providers import GOOGLE, OidcProvider
from adsum.platform.texts import UNSTORABLE

# Signatures by private keys only: a symmetric one can be forged with the client secret, or, if a verifier confuses the
# kinds, with the public key.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
MAX_SUBJECT = 255
# Addresses at these domains are Google's own. Others belong to a Workspace, which `hd` names.
GMAIL = frozenset({"gmail.com", "googlemail.com"})


class Refusal(StrEnum):
    """Why a sign-in at a provider is refused. `templates/single_sign_on.html` has the texts."""

    UNKNOWN_ATTEMPT = "unknown_attempt"
    DENIED = "denied"
    PROVIDER_ERROR = "provider_error"
    UNTRUSTED = "untrusted"
    NO_EMAIL = "no_email"
    UNVERIFIED_EMAIL = "unverified_email"
    FOREIGN_DOMAIN = "foreign_domain"
    NO_ACCOUNT = "no_account"
    OTHER_IDENTITY = "other_identity"
    OTHER_USER = "other_user"
    DISABLED = "disabled"
    INVITATION_OVER = "invitation_over"
    NO_ADDRESS = "no_address"
    NOT_ASKED_FOR = "not_asked_for"


class SignInRefused(Forbidden):
    """A sign-in at a provider is refused. `detail` is for the log: it contains no personal data."""

    code = "single_sign_on_refused"

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(detail, reason=reason.value)
        self.reason = reason


class ProviderUnavailable(Unavailable):
    """A provider does not answer, or gives answers that cannot be used."""

    code = "provider_unavailable"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The values of a provider's discovery document.

    Attributes:
        algorithms: with which it signs.
        names_issuer: whether its answers contain `iss` (RFC 9207).
        client_authentication: how Adsum sends its secret.
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    algorithms: frozenset[str]
    names_issuer: bool
    client_authentication: str


@dataclass(frozen=True, slots=True)
class Identity:
    """An account at a provider.

    Attributes:
        subject: its id there, which never changes.
        email: normalised; None: the provider names none.
        is_verified: whether the provider vouches for the email.
        session: the hash of the session at the provider, if it names one.
        has_second_factor: whether the provider says that it has asked for one (`amr`, RFC 8176).
        authenticated_at: when the provider has asked the user who they are (`auth_time`); None: it does not say.
    """

    issuer: str
    subject: str
    email: str | None
    is_verified: bool
    session: str | None
    has_second_factor: bool = False
    authenticated_at: datetime | None = None


def metadata_of(document: Mapping[str, Any], provider: OidcProvider) -> Metadata:
    """Reads a discovery document. Raises UnusableAnswer."""
    if document.get("issuer") != provider.issuer:
        raise UnusableAnswer(f"the document is of another issuer than ADSUM_OIDC_PROVIDERS names for {provider.name}")
    algorithms = ALGORITHMS & _texts(document, "id_token_signing_alg_values_supported", {"RS256"})
    if not algorithms:
        raise UnusableAnswer("it signs with no algorithm that Adsum accepts")
    methods = _texts(document, "token_endpoint_auth_methods_supported", {"client_secret_basic"})
    return Metadata(
        authorization_endpoint=_required_endpoint(document, "authorization_endpoint", provider),
        token_endpoint=_required_endpoint(document, "token_endpoint", provider),
        jwks_uri=_required_endpoint(document, "jwks_uri", provider),
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint", provider),
        end_session_endpoint=_endpoint(document, "end_session_endpoint", provider),
        algorithms=algorithms,
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        client_authentication="client_secret_basic" if "client_secret_basic" in methods else "client_secret_post",
    )


def keys_of(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The keys of a JSON Web Key Set. Raises UnusableAnswer."""
    found = document.get("keys")
    if not isinstance(found, list):
        raise UnusableAnswer("its document of keys has none")
    return [cast("dict[str, Any]", each) for each in cast("list[Any]", found) if isinstance(each, dict)]


def _texts(document: Mapping[str, Any], name: str, default: set[str]) -> set[str]:
    found = document.get(name)
    return {each for each in cast("list[Any]", found) if isinstance(each, str)} if isinstance(found, list) else default


def _required_endpoint(document: Mapping[str, Any], name: str, provider: OidcProvider) -> str:
    endpoint = _endpoint(document, name, provider)
    if endpoint is None:
        raise UnusableAnswer(f"its {name} is missing")
    return endpoint


def _endpoint(document: Mapping[str, Any], name: str, provider: OidcProvider) -> str | None:
    endpoint = document.get(name)
    if endpoint is None:
        return None
    is_local = provider.issuer.startswith("http:")
    if not isinstance(endpoint, str) or not is_encrypted_or_local(endpoint):
        raise UnusableAnswer(f"its {name} is not an https address")
    if not is_local and not endpoint.startswith("https:"):
        raise UnusableAnswer(f"its {name} is not an https address")
    return endpoint


def identity_of(claims: Mapping[str, Any], provider: OidcProvider) -> Identity:
    """The identity that the claims of a verified ID token prove.

    Raises:
        SignInRefused: the account is outside the allowed domains.
        UnusableAnswer: the claims have no usable subject, or an email that no user can have.
    """
    subject = claims.get("sub")
    if not is_subject(subject):
        raise UnusableAnswer("the ID token has no usable subject")
    named = claims.get(provider.email_claim)
    email = normalised_email(named) if isinstance(named, str) and named.strip() else None
    if email is not None and not may_be_email(email):
        raise UnusableAnswer("the ID token has no usable email")
    if not _is_of_allowed_domain(email, claims, provider):
        raise SignInRefused(Refusal.FOREIGN_DOMAIN, "the account is outside the allowed domains")
    # Different letters can have one lower case: the Kelvin sign becomes k.
    is_verified = isinstance(named, str) and named.isascii() and _is_true(claims.get(provider.verified_claim))
    session, methods = session_hash(provider.issuer, claims.get("sid")), claims.get("amr")
    has_second_factor = isinstance(methods, list) and "mfa" in methods
    authenticated_at = _moment(claims.get("auth_time"))
    return Identity(provider.issuer, subject, email, is_verified, session, has_second_factor, authenticated_at)


def is_subject(claim: object) -> TypeGuard[str]:
    """Whether a claim can be the id of an account at a provider, which databases can store."""
    return isinstance(claim, str) and 0 < len(claim) <= MAX_SUBJECT and not UNSTORABLE.search(claim)


def _moment(seconds: object) -> datetime | None:
    """The time of a claim, which counts seconds since 1970. A claim that is no time is refused."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(float(cast("Any", seconds)), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise UnusableAnswer("the ID token says at no usable time that the user was asked") from None


def session_hash(issuer: str, sid: object) -> str | None:
    """The hash under which a session at a provider is stored. Its id may be a secret of the provider."""
    is_named = isinstance(sid, str) and sid
    return sha256(f"{issuer}\n{sid}".encode(errors="replace")).hexdigest() if is_named else None


def _is_of_allowed_domain(email: str | None, claims: Mapping[str, Any], provider: OidcProvider) -> bool:
    """Without an email, only an identity that an admin has invited is signed in, so there is nothing to check."""
    domain = None if email is None else email.rpartition("@")[2]
    if domain is not None and domain not in provider.domains:
        return False
    if provider.issuer != GOOGLE or domain in GMAIL:
        return True
    # A consumer's account may have any address, which Google verified once. Only `hd` says that the owner of the domain
    # manages the account.
    hosted = claims.get("hd")
    return isinstance(hosted, str) and hosted.lower() in provider.domains


def _is_true(value: object) -> bool:
    """Some providers send `email_verified` as a text, and Entra sends `xms_edov` as a number."""
    return value is True or value == "true" or (value in {1, "1"} if isinstance(value, int | str) else False)
