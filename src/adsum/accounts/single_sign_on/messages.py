"""Requests to providers, made with Authlib: the authorization request, the exchange of a code, the sign-out."""

from __future__ import annotations

from typing import Any, cast

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from adsum.accounts.single_sign_on.rules import Metadata
from adsum.platform.setting_groups.providers import GOOGLE, OidcProvider

FORM = "application/x-www-form-urlencoded"


def authorization_address(
    provider: OidcProvider,
    metadata: Metadata,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    code_verifier: str,
    asks_again: bool = False,
) -> str:
    """The address at which the provider signs the user in.

    `asks_again`: the provider is to ask who they are, also if it knows the browser. Google does neither: it refuses
    `prompt=login` and ignores `max_age`.
    """
    address: str = cast("Any", prepare_grant_uri)(
        metadata.authorization_endpoint,
        provider.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=provider.scopes,
        state=state,
        nonce=nonce,
        code_challenge=create_s256_code_challenge(code_verifier),
        code_challenge_method="S256",
        prompt="login" if asks_again and provider.issuer != GOOGLE else provider.prompt,
        max_age="0" if asks_again else None,
    )
    return address


def token_request(
    provider: OidcProvider, metadata: Metadata, *, code: str, redirect_uri: str, code_verifier: str
) -> tuple[str, dict[str, str]]:
    """Body and headers of the request that exchanges a code."""
    body = cast("Any", prepare_token_request)(
        "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=code_verifier
    )
    client: Any = ClientAuth(provider.client_id, provider.secret, metadata.client_authentication)
    _, headers, body = client.prepare("POST", metadata.token_endpoint, {"Content-Type": FORM}, body)
    return body, headers


def sign_out_address(provider: OidcProvider, endpoint: str, *, redirect_uri: str, state: str) -> str:
    """The address at which the provider signs the user out and redirects back.

    Without `id_token_hint`: the ID token would have to be stored, and contains personal data.
    """
    params = [("client_id", provider.client_id), ("post_logout_redirect_uri", redirect_uri), ("state", state)]
    address: str = add_params_to_uri(endpoint, params)
    return address
