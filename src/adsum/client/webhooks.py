"""Messages that Adsum sends to a system of yours, signed as the Standard Webhooks specification says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from adsum.client.errors import WrongSignature

PREFIX = "whsec_"
TOLERANCE = timedelta(minutes=5)


def verify_webhook(
    payload: bytes | str, headers: Mapping[str, str], secret: str, *, now: datetime | None = None
) -> dict[str, Any]:
    """Returns the JSON of a message, if it was signed with this secret within the last five minutes.

    Args:
        payload: the body, exactly as it arrived: JSON that was parsed and written again has another signature.
        headers: of the request, in any case: `webhook-id`, `webhook-timestamp`, `webhook-signature`. The id is the
            same whenever a message is sent again, so that a system that keeps ids handles each message once.
        secret: `whsec_…`, as Adsum shows it.
        now: the present time; None: that of the clock.

    Raises:
        WrongSignature: a header is missing, the message is older or newer than five minutes, or no signature fits.
        ValueError: the secret is not of the form `whsec_` and Base64.
    """
    key = _key_of(secret)
    content = payload.encode() if isinstance(payload, str) else payload
    message_id, timestamp, signatures = _signed_headers(headers)
    _require_recent(timestamp, now or datetime.now(UTC))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode(errors="replace") + content, hashlib.sha256)
    expected = b"v1," + base64.b64encode(digest)
    # Several signatures while a secret is being replaced. Each is compared, so that the time tells nothing.
    fitting = [hmac.compare_digest(expected, each.encode(errors="replace")) for each in signatures.split(" ")]
    if not any(fitting):
        raise WrongSignature("no signature of this message fits the secret")
    try:
        message: dict[str, Any] = json.loads(content)
    except ValueError:
        raise WrongSignature("the message is not JSON") from None
    return message


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError(f"a secret of webhooks is {PREFIX} and Base64")
    return key


def _signed_headers(headers: Mapping[str, str]) -> tuple[str, str, str]:
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        return lower["webhook-id"], lower["webhook-timestamp"], lower["webhook-signature"]
    except KeyError as error:
        raise WrongSignature(f"the header {error} is missing") from None


def _require_recent(timestamp: str, now: datetime) -> None:
    try:
        sent = datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise WrongSignature("webhook-timestamp is not a time in seconds") from None
    if abs(now - sent) > TOLERANCE:
        raise WrongSignature("the message was not sent within the last five minutes")
