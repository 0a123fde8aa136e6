"""The secrets of authenticator apps, which are stored encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from adsum.accounts.second_factors.repository import StoredApp
from adsum.platform.clock import Clock
from adsum.platform.errors import NotFound
from adsum.platform.secret_box import Opened, SecretBox, UnknownKey
from adsum.platform.telemetry import logger

ISSUER = "Adsum"
SETUP_LIFETIME = timedelta(minutes=30)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class AppSetup:
    """A new secret for an authenticator app, which counts once a code confirms it.

    Attributes:
        secret: base32, for typing.
        address: `otpauth://…`, for a QR code.
        sealed: the secret, encrypted; the form sends it back.
    """

    secret: str
    address: str
    sealed: str


class AppSecrets:
    """Makes, encrypts and decrypts secrets of authenticator apps."""

    def __init__(self, box: SecretBox, now: Clock) -> None:
        self._box = box
        self._now = now

    def new_setup(self, user_id: int, email: str) -> AppSetup:
        """A new secret. Nothing is stored."""
        import pyotp  # noqa: PLC0415 - only where an app is set up

        secret = pyotp.random_base32()
        ends_at = int((self._now() + SETUP_LIFETIME).timestamp())
        return _setup(email, secret, self._box.seal(f"{ends_at}|{secret}", _setup_of(user_id)))

    def reopened_setup(self, user_id: int, email: str, sealed: str) -> AppSetup:
        """A setup that was made before. Raises NotFound: it is too old, or belongs to another user."""
        return _setup(email, self.secret_of_setup(user_id, sealed), sealed)

    def secret_of_setup(self, user_id: int, sealed: str) -> str:
        """The secret of a setup. Raises NotFound: it is too old, or belongs to another user."""
        try:
            ends_at, _, secret = self._box.open(sealed, _setup_of(user_id), is_stored=False).text.partition("|")
        except UnknownKey:
            raise NotFound("there is no such setup: begin again") from None
        if self._now().timestamp() >= int(ends_at):
            raise NotFound("this setup was begun too long ago: begin again")
        return secret

    def seal(self, user_id: int, secret: str) -> str:
        """Encrypts the secret of an app of the user, to be stored."""
        return self._box.seal(secret, _app_of(user_id))

    def open(self, user_id: int, app: StoredApp) -> Opened | None:
        """The secret of an app; None: the signing key was replaced without overlap, and the user sets it up again."""
        try:
            return self._box.open(app.sealed_secret, _app_of(user_id), is_stored=True)
        except UnknownKey:
            log.error("the secret of an authenticator app cannot be decrypted", user_id=user_id)
            return None


def _setup(email: str, secret: str, sealed: str) -> AppSetup:
    from pyotp.totp import TOTP  # noqa: PLC0415 - only where an app is set up

    return AppSetup(secret, TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER), sealed)


def _setup_of(user_id: int) -> str:
    return f"setup of an app of user {user_id}"


def _app_of(user_id: int) -> str:
    return f"app of user {user_id}"
