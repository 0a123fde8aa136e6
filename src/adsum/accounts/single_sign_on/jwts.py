"""Verifies ID tokens and logout tokens, with joserfc and Authlib."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, cast

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry

from adsum.platform.errors import UnusableAnswer

LEEWAY_S = 60
MAX_TOKEN = 100_000
# A provider has two or three keys while it rotates them.
MAX_TRIED = 5
SIGN_OUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
# The errors of the libraries for a broken token or key.
BROKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
# 256 bytes in base64url.
MIN_RSA_DIGITS = 342
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC"}


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature a token has to have.

    Attributes:
        keys: of the provider, as JSON Web Keys.
        algorithms: with which it signs.
    """

    issuer: str
    client_id: str
    keys: Sequence[Mapping[str, Any]]
    algorithms: Collection[str]


def key_id_of(token: str) -> str | None:
    """The id of the key with which a token says that it is signed. Raises UnusableAnswer."""
    key_id = _header_of(token).get("kid")
    return key_id if isinstance(key_id, str) else None


def claims_of_id_token(
    token: str, signer: Signer, now: datetime, *, nonce: str, access_token: str | None
) -> dict[str, Any]:
    """The claims of an ID token that answers this request. Raises UnusableAnswer."""
    header, claims = _verified(token, signer)
    options: Any = {
        "iss": {"essential": True, "value": signer.issuer},
        "aud": {"essential": True, "value": signer.client_id},
    }
    params = {"nonce": nonce, "client_id": signer.client_id, "access_token": access_token}
    try:
        CodeIDToken(claims, header, options, params).validate(int(now.timestamp()), LEEWAY_S)
    except BROKEN as error:
        raise UnusableAnswer(f"the ID token is refused: {_described(error)}") from None
    _require_sole_audience(claims, signer)
    return claims


def claims_of_logout_token(token: str, signer: Signer, now: datetime) -> dict[str, Any]:
    """The claims of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6). Raises UnusableAnswer."""
    header, claims = _verified(token, signer)
    options: Any = {name: {"essential": True} for name in ("iat", "exp", "jti", "events")}
    options |= {
        "iss": {"essential": True, "value": signer.issuer},
        "aud": {"essential": True, "value": signer.client_id},
    }
    try:
        jwt.JWTClaimsRegistry(int(now.timestamp()), LEEWAY_S, **options).validate(claims)
    except BROKEN as error:
        raise UnusableAnswer(f"the logout token is refused: {_described(error)}") from None
    _require_sole_audience(claims, signer)
    kind, events = header.get("typ"), claims["events"]
    is_sign_out = isinstance(events, dict) and isinstance(cast("dict[str, Any]", events).get(SIGN_OUT_EVENT), dict)
    if str(kind).lower().removeprefix("application/") not in {"none", "jwt", "logout+jwt"}:
        raise UnusableAnswer("the token is of another type")
    if "nonce" in claims or not is_sign_out:
        raise UnusableAnswer("the token is not a logout token")
    return claims


def _verified(token: str, signer: Signer) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Header and claims of a token with a right signature."""
    algorithm = _header_of(token).get("alg")
    if not isinstance(algorithm, str) or algorithm not in signer.algorithms:
        raise UnusableAnswer("the token is signed with an algorithm that is not allowed")
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    for key in _candidates(token, algorithm, signer.keys):
        try:
            verifying: Any = cast("Any", import_key)(key, key["kty"])
            found = jwt.decode(token, verifying, registry=registry)
        except BROKEN:
            continue
        return found.header, found.claims
    raise UnusableAnswer("the token has no right signature of a key of the provider")


def _candidates(token: str, algorithm: str, keys: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The keys with which a token of this header may be signed."""
    key_id = key_id_of(token)
    named = (key for key in keys if key_id is None or key.get("kid") == key_id)
    fitting = (dict(key) for key in named if _fits(key, algorithm))
    return islice(fitting, MAX_TRIED)


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    is_of_type = key.get("kty") == _KEY_TYPES[algorithm[:2]] and key.get("alg", algorithm) == algorithm
    return is_of_type and key.get("use", "sig") == "sig" and _is_long_enough(key)


def _is_long_enough(key: Mapping[str, Any]) -> bool:
    """Whether an RSA key has at least 2048 bits. `n` is its modulus in base64url, without leading zeros."""
    return key["kty"] != "RSA" or len(str(key.get("n", "")).rstrip("=")) >= MIN_RSA_DIGITS


def _require_sole_audience(claims: Mapping[str, Any], signer: Signer) -> None:
    """A token for several clients could have been sent to another one first."""
    if claims["aud"] not in (signer.client_id, [signer.client_id]):
        raise UnusableAnswer("the token is for other clients, too")


def _header_of(token: str) -> dict[str, Any]:
    head = token.partition(".")[0]
    if len(token) > MAX_TOKEN:
        raise UnusableAnswer("the token is too long")
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise UnusableAnswer("this is not a token")
    return header  # pyright: ignore[reportUnknownVariableType] - keys of JSON objects are texts


def _described(error: Exception) -> str:
    """The kind of error and the claim, without its value."""
    claim = getattr(error, "claim", None)
    return f"{type(error).__name__}{f' {claim}' if isinstance(claim, str) else ''}"
