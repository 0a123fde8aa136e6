"""ADSUM_OIDC_PROVIDERS and the settings that belong to it. A wrong value stops the start with one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adsum.platform.errors import ConfigurationError
from adsum.platform.setting_groups.providers import text_of_providers
from adsum.platform.settings import Settings, load_settings

GOOGLE: dict[str, Any] = {
    "name": "google",
    "label": "Google",
    "issuer": "https://accounts.google.com",
    "client_id": "c",
    "client_secret": "s3cret",
    "domains": ["School.example"],
}


def given(*providers: dict[str, Any], **changed: Any) -> Settings:
    return load_settings(oidc_providers=json.dumps(providers), **changed)


def reason(*providers: dict[str, Any], **changed: Any) -> str:
    with pytest.raises(ConfigurationError) as wrong:
        given(*providers, **changed)
    return wrong.value.detail.removeprefix("wrong settings: ")


def test_a_provider_is_read_and_its_secret_is_not_shown() -> None:
    found = given(GOOGLE)
    assert (found.oidc_providers[0].secret, found.oidc_providers[0].domains) == ("s3cret", ("school.example",))
    assert "s3cret" not in repr(found)


def test_secrets_are_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    without = {name: value for name, value in GOOGLE.items() if name != "client_secret"}
    providers = tmp_path / "providers.json"
    providers.write_text(json.dumps([without | {"client_secret_file": str(secret)}]))
    monkeypatch.setenv("ADSUM_OIDC_PROVIDERS_FILE", str(providers))
    found = load_settings().oidc_providers
    assert found[0].secret == "from a file"
    monkeypatch.setenv("ADSUM_OIDC_PROVIDERS", text_of_providers(found))
    assert load_settings().oidc_providers[0].secret == "from a file"
    secret.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        given(without | {"client_secret_file": str(secret)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[{", "ADSUM_OIDC_PROVIDERS: this is not JSON: line 1, column 3: Expecting property name"),
        ("{}", "ADSUM_OIDC_PROVIDERS: this is not a JSON list of providers"),
        ('[{"name": "a", "name": "b"}]', "ADSUM_OIDC_PROVIDERS: 'name' is named twice in one provider"),
        ("[7]", "ADSUM_OIDC_PROVIDERS[0]: "),
    ],
)
def test_what_is_no_list_of_providers_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        load_settings(oidc_providers=text)
    assert expected in wrong.value.detail


def test_every_wrong_field_is_named_with_its_place() -> None:
    found = reason({"name": "Google!", "domains": ["a b"], "tenant": "x"}, GOOGLE | {"scopes": "email", "label": "\n"})
    for place in ("[0].name", "[0].label", "[0].issuer", "[0].client_id", "[0].domains", "[0].tenant"):
        assert f"ADSUM_OIDC_PROVIDERS{place}: " in found
    assert "ADSUM_OIDC_PROVIDERS[1].scopes: the scopes have to contain openid" in found
    assert "ADSUM_OIDC_PROVIDERS[1].label: a label has visible characters only" in found


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"issuer": "http://id.school.example"}, "[0].issuer: 'http://id.school.example' is not the https address"),
        ({"issuer": "https://id.example/?a=1"}, "is not the https address"),
        ({"issuer": "https://user@id.example"}, "is not the https address"),
        ({"issuer": "https://[::1"}, "is not the https address"),
        ({"issuer": "https://login.microsoftonline.com/common/v2.0"}, "all tenants of Microsoft Entra"),
        ({"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}, "all tenants of Microsoft Entra"),
        ({"domains": []}, "[0].domains: has to have at least 1 entry"),
        ({"domains": ["school"]}, "'school' is not the domain of an email address"),
        ({"client_secret": None}, "[0]: name either client_secret or client_secret_file"),
        ({"client_secret": ""}, "[0].client_secret: has to have at least 1 characters"),
        ({"client_secret_file": 7}, "[0].client_secret_file: this is not the path of a file"),
        ({"client_secret_file": "/nowhere"}, "[0].client_secret_file: cannot read /nowhere"),
    ],
)
def test_a_wrong_provider_is_refused(changed: dict[str, Any], expected: str) -> None:
    assert expected in reason(GOOGLE | changed)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"])
def test_a_provider_on_loopback_needs_no_https(issuer: str) -> None:
    assert given(GOOGLE | {"issuer": issuer}).oidc_providers


@pytest.mark.parametrize("same", ["name", "label", "issuer"])
def test_providers_that_could_be_confused_are_refused(same: str) -> None:
    other = {"name": "other", "label": "Other", "issuer": "https://other.example"} | {same: GOOGLE[same]}
    assert f"2 providers have the {same}" in reason(GOOGLE, GOOGLE | other)


def test_a_configuration_in_which_nobody_could_sign_in_is_refused() -> None:
    assert "nobody could sign in" in reason(password_sign_in=False)
    assert given(GOOGLE, password_sign_in=False)
    emergency = given(password_sign_in=False, emergency_accounts="A@school.example ,b@school.example")
    assert emergency.emergency_emails == {"a@school.example", "b@school.example"}
    assert "'nobody' is not an email address" in reason(emergency_accounts="nobody")


def test_a_server_that_others_reach_has_to_know_its_address() -> None:
    assert "ADSUM_PUBLIC_URL: ADSUM_OIDC_PROVIDERS needs the address" in reason(GOOGLE, host="0.0.0.0")
    assert given(GOOGLE, host="0.0.0.0", public_url="https://adsum.school.example")
