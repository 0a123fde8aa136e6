"""Attempts to sign in at a provider, each tied to one browser by a signed cookie, and invitations by an admin."""

from __future__ import annotations

import base64
import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from adsum.platform.clock import Clock
from adsum.platform.ids import MAX_ID
from adsum.platform.keys import KeyPurpose, KeyRing

LIFETIME = timedelta(minutes=10)
INVITATION_LIFETIME = timedelta(days=7)
# Tabs that sign in at once. The cookies of all of them travel with each request.
MAX_ATTEMPTS = 6
MAX_PATH = 500
ID = re.compile(r"[0-9a-f]{32}")
_INVITATION = re.compile(r"([0-9]{1,19})\.([0-9]{1,9})\.([0-9]{1,12})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class SignOnAttempt:
    """An attempt, as the cookie holds it.

    Attributes:
        id: the `state` of the request to the provider.
        provider: its name.
        path: the page to show afterwards.
        ends_at: in seconds since 1970.
        invitation: the text of the invitation that the user follows; '' without one.
        is_restarted: whether it was begun because an answer came without `state`.
        key_id: of the signing key that its secrets are derived from.
    """

    id: str
    provider: str
    path: str
    ends_at: int
    invitation: str = ""
    is_restarted: bool = False
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """The right to connect one account of a provider with a user. A change of their generation ends it."""

    user_id: int
    generation: int


class Attempts:
    """Signs and verifies attempts and invitations. The secrets of an attempt are derived from its id.

    Args:
        keys: the signing keys. Without one, every method raises ConfigurationError.
        now: the clock.
    """

    def __init__(self, keys: KeyRing, now: Clock) -> None:
        self._keys = keys
        self._now = now

    def new(self, provider: str, path: str, *, invitation: str = "", is_restarted: bool = False) -> SignOnAttempt:
        """A new attempt. A long path is replaced by the start page."""
        ends_at = int((self._now() + LIFETIME).timestamp())
        path = path if len(path) <= MAX_PATH else "/"
        key_id = self._keys.derive(KeyPurpose.SINGLE_SIGN_ON).key_id
        return SignOnAttempt(secrets.token_hex(16), provider, path, ends_at, invitation, is_restarted, key_id)

    def sealed(self, attempt: SignOnAttempt) -> str:
        """The value of the cookie."""
        content = base64.urlsafe_b64encode(json.dumps(asdict(attempt)).encode()).decode().rstrip("=")
        return f"{content}.{self._signature('attempt', content)}"

    def opened(self, attempt_id: str, provider: str, cookie: str | None) -> SignOnAttempt | None:
        """The attempt with this id at this provider; None: the cookie is of another one, forged, or over."""
        content, _, signature = (cookie or "").partition(".")
        if not self._is_signed("attempt", content, signature):
            return None
        attempt = SignOnAttempt(**_json_of(content))
        is_meant = attempt.id == attempt_id and attempt.provider == provider
        return attempt if is_meant and self._now().timestamp() < attempt.ends_at else None

    def nonce(self, attempt: SignOnAttempt) -> str:
        """The value that the ID token has to contain."""
        return self._derived("nonce", attempt).hex()

    def code_verifier(self, attempt: SignOnAttempt) -> str:
        """The secret that shows that the code is exchanged by its receiver (PKCE). It never leaves for the browser."""
        return base64.urlsafe_b64encode(self._derived("code verifier", attempt)).decode().rstrip("=")

    def invite(self, provider: str, invitation: Invitation) -> str:
        """The text of an invitation to connect an account of this provider."""
        ends_at = int((self._now() + INVITATION_LIFETIME).timestamp())
        content = f"{invitation.user_id}.{invitation.generation}.{ends_at}"
        return f"{content}.{self._signature('invitation', f'{provider}.{content}')}"

    def invitation(self, provider: str, text: str) -> Invitation | None:
        """The invitation of this text; None: it is forged, of another provider, or over."""
        found = _INVITATION.fullmatch(text)
        if found is None:
            return None
        user_id, generation, ends_at = int(found[1]), int(found[2]), int(found[3])
        is_signed = self._is_signed("invitation", f"{provider}.{user_id}.{generation}.{ends_at}", found[4])
        is_valid = is_signed and self._now().timestamp() < ends_at
        return Invitation(user_id, generation) if is_valid and user_id <= MAX_ID else None

    def _signature(self, purpose: str, content: str) -> str:
        return self._keys.sign(KeyPurpose.SINGLE_SIGN_ON, _signed(purpose, content))

    def _is_signed(self, purpose: str, content: str, signature: str) -> bool:
        return self._keys.is_signed(KeyPurpose.SINGLE_SIGN_ON, _signed(purpose, content), signature)

    def _derived(self, purpose: str, attempt: SignOnAttempt) -> bytes:
        """A secret of an attempt, from the key with which it was begun, or from the present one if that has ended."""
        begun_with = self._keys.find(KeyPurpose.SINGLE_SIGN_ON, attempt.key_id)
        key = begun_with or self._keys.derive(KeyPurpose.SINGLE_SIGN_ON)
        return key.mac(_signed(purpose, attempt.id))


def _signed(purpose: str, content: str) -> bytes:
    return f"{purpose}|{content}".encode()


def _json_of(content: str) -> dict[str, Any]:
    """The content of a cookie whose signature is right."""
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    return found
