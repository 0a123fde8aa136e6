"""The claims of a provider, and what they prove. Discovery documents are tested with whole visits."""

from __future__ import annotations

from typing import Any

import pytest

from adsum.accounts.single_sign_on.rules import (
    Refusal,
    SignInRefused,
    identity_of,
    keys_of,
    metadata_of,
    session_hash,
)
from adsum.platform.errors import UnusableAnswer
from adsum.platform.setting_groups.providers import OidcProvider


def provider(issuer: str = "https://id.school.example", **changed: Any) -> OidcProvider:
    given = {"name": "p", "label": "P", "issuer": issuer, "client_id": "c", "client_secret": "s"}
    return OidcProvider.model_validate(given | {"domains": ["school.example", "gmail.com"]} | changed)


GOOGLE = provider("https://accounts.google.com")


def test_the_identity_has_the_subject_the_email_and_the_hash_of_the_session() -> None:
    claims = {"sub": "7", "email": " Ada@School.example ", "email_verified": True, "sid": "s"}
    identity = identity_of(claims, provider())
    assert (identity.subject, identity.email, identity.is_verified) == ("7", "ada@school.example", True)
    assert identity.session == session_hash("https://id.school.example", "s") != session_hash("https://b.example", "s")
    assert identity_of({"sub": "7", "sid": 5}, provider()).session is None


@pytest.mark.parametrize("value", [True, "true", 1, "1"])
def test_a_verified_email_is_said_in_several_ways(value: object) -> None:
    entra = provider(verified_claim="xms_edov")
    assert identity_of({"sub": "7", "email": "a@school.example", "xms_edov": value}, entra).is_verified


@pytest.mark.parametrize("value", [False, "false", 0, "0", None, "yes", [True], {"a": 1}, 1.5])
def test_everything_else_is_not_verified(value: object) -> None:
    assert not identity_of({"sub": "7", "email": "a@school.example", "email_verified": value}, provider()).is_verified


@pytest.mark.parametrize("email", [5, "", " ", None])
def test_what_is_no_text_is_no_email(email: object) -> None:
    assert identity_of({"sub": "7", "email": email}, provider()).email is None


@pytest.mark.parametrize("email", ["a@other.example", "a@sub.school.example", "a@school.example@other.example", "a"])
def test_an_email_of_another_domain_is_refused(email: str) -> None:
    with pytest.raises(SignInRefused) as refused:
        identity_of({"sub": "7", "email": email}, provider())
    assert refused.value.reason is Refusal.FOREIGN_DOMAIN


def test_google_vouches_for_its_own_addresses_and_for_those_of_the_workspace() -> None:
    assert identity_of({"sub": "7", "email": "a@gmail.com", "email_verified": True}, GOOGLE).is_verified
    assert identity_of({"sub": "7", "email": "a@school.example", "hd": "School.example"}, GOOGLE)
    assert identity_of({"sub": "7", "hd": "school.example"}, GOOGLE)


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "a@school.example", "email_verified": True},
        {"email": "a@school.example", "hd": "other.example"},
        {"email": "a@school.example", "hd": 5},
        {},
    ],
)
def test_a_consumers_account_with_an_address_of_the_school_is_refused_at_google(claims: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused):
        identity_of({"sub": "7"} | claims, GOOGLE)


@pytest.mark.parametrize("email", [f"{'a' * 240}@school.example", "a\x00@school.example", "a\ud800@school.example"])
def test_an_email_that_no_user_can_have_is_refused(email: str) -> None:
    with pytest.raises(UnusableAnswer):
        identity_of({"sub": "7", "email": email, "email_verified": True}, provider())


@pytest.mark.parametrize("subject", [None, "", 7, "s" * 256, "a\x00b", "\ud800"])
def test_a_subject_has_to_be_usable(subject: object) -> None:
    with pytest.raises(UnusableAnswer):
        identity_of({"sub": subject}, provider())


def document(**changed: Any) -> dict[str, Any]:
    issuer = "https://id.school.example"
    endpoints = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{issuer}/x")
    return {"issuer": issuer} | endpoints | changed


def test_what_a_document_leaves_out_has_the_values_of_the_standard() -> None:
    found = metadata_of(document(), provider())
    assert (found.algorithms, found.client_authentication) == ({"RS256"}, "client_secret_basic")
    assert (found.userinfo_endpoint, found.end_session_endpoint, found.names_issuer) == (None, None, False)


def test_a_secret_is_sent_in_the_form_if_the_provider_wants_that() -> None:
    found = metadata_of(document(token_endpoint_auth_methods_supported=["client_secret_post"]), provider())
    assert found.client_authentication == "client_secret_post"


@pytest.mark.parametrize("endpoint", ["http://id.school.example/x", "http://127.0.0.1/x", "https://a b/", "ftp://x", 5])
def test_the_endpoints_of_a_public_provider_are_https_addresses(endpoint: object) -> None:
    with pytest.raises(UnusableAnswer):
        metadata_of(document(token_endpoint=endpoint), provider())


def test_what_is_no_key_is_left_out() -> None:
    assert keys_of({"keys": [{"kid": "a"}, 5, None]}) == [{"kid": "a"}]
    with pytest.raises(UnusableAnswer):
        keys_of({"keys": {}})
