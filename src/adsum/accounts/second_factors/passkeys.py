"""Passkeys (WebAuthn): the options for browsers, and the check of their answers."""

# ruff: noqa: PLC0415 - webauthn takes 0.5 s and 8 MB, which processes without passkeys save: see `load_library`

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

from adsum.accounts.second_factors.challenges import LIFETIME, Challenges
from adsum.platform.errors import WrongSecondFactor
from adsum.platform.telemetry import logger

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

NAME = "Adsum"
TIMEOUT_MS = int(LIFETIME.total_seconds() * 1000)
# Of an answer as JSON. Real ones have up to 6 kB.
MAX_ANSWER = 32_768
TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card", "hybrid", "internal"})

Answer = TypeVar("Answer")

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """This site for browsers: the host name to which passkeys belong, and the origin of its pages."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class KnownPasskey:
    """The stored values of a passkey that address it and check its answers."""

    id: int
    user_id: int
    credential_id: str
    public_key: str
    transports: str
    sign_count: int


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that a browser has made. Bytes are base64url."""

    credential_id: str
    public_key: str
    transports: str
    sign_count: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A checked answer. `challenge_made_at` is in microseconds since 1970."""

    sign_count: int
    challenge_made_at: int


class Passkeys:
    """Makes options and checks answers. It stores nothing."""

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges

    def options_to_register(
        self, party: RelyingParty, purpose: str, handle: str, email: str, known: Sequence[KnownPasskey]
    ) -> dict[str, Any]:
        """The options with which a browser makes a passkey.

        Args:
            party: this site.
            purpose: the sign-in that registers.
            handle: identifies the user to the passkey; base64url.
            email: shown by the browser.
            known: those that the user has; an authenticator that holds one of them makes no other.
        """
        from webauthn import base64url_to_bytes, generate_registration_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        options = generate_registration_options(
            rp_id=party.id,
            rp_name=NAME,
            user_id=base64url_to_bytes(handle),
            user_name=email,
            challenge=self._challenges.make(purpose),
            timeout=TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        return options_to_json_dict(options)

    def options_to_answer(
        self, party: RelyingParty, purpose: str, known: Sequence[KnownPasskey], *, verifies_user: bool
    ) -> dict[str, Any]:
        """The options with which a browser lets a passkey answer.

        Args:
            party: this site.
            purpose: the sign-in or the browser that the answer is for.
            known: those that may answer; none: any that the browser finds for this site.
            verifies_user: whether the passkey has to ask for a PIN, a finger or a face.
        """
        from webauthn import generate_authentication_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers.structs import UserVerificationRequirement

        verification = UserVerificationRequirement.REQUIRED if verifies_user else UserVerificationRequirement.PREFERRED
        options = generate_authentication_options(
            rp_id=party.id,
            challenge=self._challenges.make(purpose),
            timeout=TIMEOUT_MS,
            allow_credentials=_descriptors(known),
            user_verification=verification,
        )
        return options_to_json_dict(options)

    def check_registration(self, party: RelyingParty, purpose: str, answer: str) -> NewPasskey:
        """The passkey that a browser has made. Raises WrongSecondFactor."""
        from webauthn import verify_registration_response
        from webauthn.helpers import bytes_to_base64url, parse_registration_credential_json

        made = _checked(lambda: parse_registration_credential_json(_read(answer)))
        challenge = _challenge_of(made.response.client_data_json)
        self._challenges.made_at(challenge, purpose)
        verified = _checked(
            lambda: verify_registration_response(
                credential=made,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
            )
        )
        transports = sorted(TRANSPORTS & {each.value for each in made.response.transports or ()})
        return NewPasskey(
            bytes_to_base64url(verified.credential_id),
            bytes_to_base64url(verified.credential_public_key),
            ",".join(transports),
            verified.sign_count,
        )

    def check_answer(
        self, party: RelyingParty, purpose: str, answer: str, known: KnownPasskey, *, verifies_user: bool
    ) -> Answered:
        """Checks the answer of a passkey, its signature and its counter. Raises WrongSecondFactor.

        The caller stores the new counter and the time of the challenge if they are later than those that are stored.
        """
        from webauthn import base64url_to_bytes, verify_authentication_response
        from webauthn.helpers import parse_authentication_credential_json

        given = _checked(lambda: parse_authentication_credential_json(_read(answer)))
        challenge = _challenge_of(given.response.client_data_json)
        made_at = self._challenges.made_at(challenge, purpose)
        verified = _checked(
            lambda: verify_authentication_response(
                credential=given,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=base64url_to_bytes(known.public_key),
                credential_current_sign_count=known.sign_count,
                require_user_verification=verifies_user,
            )
        )
        return Answered(verified.new_sign_count, made_at)


async def load_library() -> None:
    """Imports the library in a thread, before the first use of this module: it takes half a second."""
    await asyncio.to_thread(import_module, "webauthn")


def credential_of(answer: str) -> tuple[str, str | None]:
    """The credential id of an answer, and the user handle that the passkey holds. Raises WrongSecondFactor."""
    from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json

    given = _checked(lambda: parse_authentication_credential_json(_read(answer)))
    handle = given.response.user_handle
    return bytes_to_base64url(given.raw_id), None if handle is None else bytes_to_base64url(handle)


def _descriptors(known: Sequence[KnownPasskey]) -> list[PublicKeyCredentialDescriptor]:
    from webauthn import base64url_to_bytes
    from webauthn.helpers.structs import (
        AuthenticatorTransport,
        PublicKeyCredentialDescriptor,
    )

    return [
        PublicKeyCredentialDescriptor(
            base64url_to_bytes(each.credential_id),
            transports=[AuthenticatorTransport(name) for name in each.transports.split(",") if name],
        )
        for each in known
    ]


def _challenge_of(client_data: bytes) -> bytes:
    from webauthn.helpers import parse_client_data_json

    return _checked(lambda: parse_client_data_json(client_data)).challenge


def _read(answer: str) -> dict[str, Any]:
    content: Any = json.loads(answer) if len(answer) <= MAX_ANSWER else None
    if not isinstance(content, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as for any other text that is no answer
    return cast("dict[str, Any]", content)


def _checked(check: Callable[[], Answer]) -> Answer:
    """The result of a check. The library raises errors of many kinds for answers that are malformed."""
    try:
        return check()
    except (Exception, RecursionError) as error:
        log.warning("the answer of a passkey is wrong", error=type(error).__name__)
        raise WrongSecondFactor("the answer of the passkey is wrong") from error
