"""A provider that checks what clients send, and that a test can make answer wrongly. It uses nothing of Authlib."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.servers.http_server import Reply, Request, answering

CLIENT_ID = "adsum"
CLIENT_SECRET = "provider-secret"
SIGN_OUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

Claims = dict[str, Any]


@cache
def key(name: str) -> RSAKey:
    """A signing key. Making one takes a second, so tests share those of a name."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@dataclass
class Faults:
    """The errors that the provider makes.

    Attributes:
        claims: changed in ID tokens; None: left out.
        sign: signs an ID token in another way.
        statuses: of the answers at these paths.
        delays: seconds before the answers at these paths.
        contents: of the answers at these paths.
        document: changed in the discovery document; None: left out.
    """

    claims: Claims = field(default_factory=dict[str, Any])
    sign: Callable[[Claims], str] | None = None
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    delays: dict[str, float] = field(default_factory=dict[str, float])
    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    document: Claims = field(default_factory=dict[str, Any])


@dataclass
class StrictProvider:
    """Signs everybody in as `subject`, without a page.

    Attributes:
        codes: the requests that were approved, by code.
        sessions: the number of sign-ins; the last one is the session of new ID tokens.
        asked: the number of requests by path.
    """

    issuer: str = ""
    subject: str = "subject-1"
    claims: Claims = field(default_factory=lambda: {"email": "teacher@school.example", "email_verified": True})
    user_info: Claims | None = None
    redirect_uris: set[str] = field(default_factory=set[str])
    key_name: str = "first"
    faults: Faults = field(default_factory=Faults)
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    sessions: int = 0
    asked: Counter[str] = field(default_factory=Counter[str])

    def settings(self, **changed: Any) -> Claims:
        """The provider, as a value in ADSUM_OIDC_PROVIDERS."""
        return {
            "name": "strict",
            "label": "Strict School",
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "domains": ["school.example"],
        } | changed

    def signed(self, claims: Claims, kind: str = "JWT") -> str:
        signing = key(self.key_name)
        return jwt.encode({"alg": "RS256", "kid": self.key_name, "typ": kind}, _without_none(claims), signing)

    def logout_token(self, kind: str = "logout+jwt", **changed: Any) -> str:
        """A token for the back channel. Its claims are those of the last session, unless they are changed."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": secrets.token_hex(8)}
        claims |= {"sub": self.subject, "sid": f"session-{self.sessions}", "events": {SIGN_OUT_EVENT: {}}}
        return self.signed(claims | changed, kind)

    def answer_with_faults(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        self.asked[parts.path] += 1
        time.sleep(self.faults.delays.get(parts.path, 0))
        form = dict(parse_qsl(request.body.decode()))
        right = self.answer(parts.path, dict(parse_qsl(parts.query)), form, request.headers)
        status = self.faults.statuses.get(parts.path, right.status)
        return Reply(status, self.faults.contents.get(parts.path, right.content), right.headers)

    def answer(self, path: str, query: Claims, form: Claims, headers: Mapping[str, str]) -> Reply:
        answers: dict[str, Callable[[], Reply]] = {
            "/.well-known/openid-configuration": lambda: _json(200, _without_none(self._document())),
            "/jwks": lambda: _json(200, {"keys": [key(self.key_name).as_dict(private=False)]}),
            "/authorize": lambda: self._authorize(query),
            "/token": lambda: self._exchange(form, headers),
            "/userinfo": lambda: _json(200, self.user_info or {}),
            "/sign-out": lambda: _redirect(query["post_logout_redirect_uri"], {"state": query["state"]}),
        }
        return answers.get(path, lambda: _json(404, {}))()

    def _document(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/sign-out",
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        } | self.faults.document

    def _authorize(self, query: Claims) -> Reply:
        is_known = query.get("client_id") == CLIENT_ID and query.get("redirect_uri") in self.redirect_uris
        is_whole = all(query.get(name) for name in ("state", "nonce", "code_challenge"))
        if not is_known or not is_whole or query.get("code_challenge_method") != "S256":
            return _json(400, {"error": "invalid_request"})
        code = secrets.token_hex(8)
        self.codes[code] = query
        self.sessions += 1
        return _redirect(query["redirect_uri"], {"code": code, "state": query["state"], "iss": self.issuer})

    def _exchange(self, form: Claims, headers: Mapping[str, str]) -> Reply:
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if headers.get("Authorization") != f"Basic {expected}":
            return _json(401, {"error": "invalid_client"})
        request = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
        is_same = request is not None and form.get("redirect_uri") == request["redirect_uri"]
        if request is None or not is_same or challenge != request["code_challenge"]:
            return _json(400, {"error": "invalid_grant"})
        now, access_token = int(time.time()), secrets.token_hex(8)
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = self.claims | {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": request["nonce"],
            "sid": f"session-{self.sessions}",
            "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
        }
        claims |= self.faults.claims
        token = self.faults.sign(claims) if self.faults.sign is not None else self.signed(claims)
        return _json(200, {"access_token": access_token, "token_type": "Bearer", "id_token": token})


def _json(status: int, content: Claims) -> Reply:
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _redirect(address: str, query: dict[str, str]) -> Reply:
    return Reply(302, b"", {"Location": f"{address}?{urlencode(query)}"})


def _without_none(claims: Claims) -> Claims:
    return {name: value for name, value in claims.items() if value is not None}


@contextmanager
def strict_provider() -> Generator[StrictProvider]:
    """Runs the provider on a free port until the end of the block."""
    provider = StrictProvider()
    with answering(provider.answer_with_faults) as provider.issuer:
        yield provider
