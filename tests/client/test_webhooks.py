"""`verify_webhook`, by the Standard Webhooks specification."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from adsum.client import WrongSignature, verify_webhook

# The example of the specification's own tools.
SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
PAYLOAD = b'{"event_type":"ping","data":{"success":true}}'
ID = "msg_loFOjxBNrRLzqYUf"
SENT = datetime.fromtimestamp(1731705121, UTC)
SIGNATURE = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def headers(signature: str = SIGNATURE, **other: str) -> dict[str, str]:
    given = {"webhook-id": ID, "webhook-timestamp": "1731705121", "webhook-signature": signature}
    return given | {f"webhook-{name}": value for name, value in other.items()}


def test_a_signed_message_is_returned_as_json() -> None:
    assert verify_webhook(PAYLOAD, headers(), SECRET, now=SENT) == {"event_type": "ping", "data": {"success": True}}
    assert verify_webhook(PAYLOAD.decode(), headers(), SECRET.removeprefix("whsec_"), now=SENT)


def test_a_message_of_now_needs_no_time() -> None:
    sent = str(int(datetime.now(UTC).timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{ID}.{sent}.".encode() + PAYLOAD, hashlib.sha256)
    signed = headers(f"v1,{base64.b64encode(digest).decode()}", timestamp=sent)
    assert verify_webhook(PAYLOAD, signed, SECRET) == json.loads(PAYLOAD)
    with pytest.raises(WrongSignature, match="within the last five minutes"):
        verify_webhook(PAYLOAD, headers(), SECRET)


def test_names_of_headers_may_be_written_in_any_case() -> None:
    assert verify_webhook(PAYLOAD, {name.title(): value for name, value in headers().items()}, SECRET, now=SENT)


def test_one_of_several_signatures_has_to_fit() -> None:
    several = f"v1,{base64.b64encode(bytes(32)).decode()} v1a,aGVsbG8= {SIGNATURE} nonsense"
    assert verify_webhook(PAYLOAD, headers(several), SECRET, now=SENT)


@pytest.mark.parametrize("off", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_message_is_accepted_for_five_minutes(off: timedelta) -> None:
    assert verify_webhook(PAYLOAD, headers(), SECRET, now=SENT + off)
    with pytest.raises(WrongSignature, match="within the last five minutes"):
        verify_webhook(PAYLOAD, headers(), SECRET, now=SENT + off * 1.01)


@pytest.mark.parametrize(
    "wrong",
    [
        headers(id="msg_other"),
        headers(timestamp="1731705122"),
        headers("v1a" + SIGNATURE[2:]),
        headers(SIGNATURE[:-1]),
        headers(SIGNATURE.replace(" ", "  ") + "é\ud800"),
        headers(""),
        headers("v1"),
    ],
)
def test_a_message_with_another_id_time_or_signature_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(WrongSignature, match="no signature of this message fits the secret"):
        verify_webhook(PAYLOAD, wrong, SECRET, now=SENT)


def test_a_message_that_was_changed_or_signed_with_another_secret_is_refused() -> None:
    other = "whsec_" + base64.b64encode(b"another").decode()
    for payload, secret in [(PAYLOAD + b" ", SECRET), (b"\xff", SECRET), (b"", SECRET), (PAYLOAD, other)]:
        with pytest.raises(WrongSignature, match="no signature"):
            verify_webhook(payload, headers(), secret, now=SENT)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_message_without_a_header_is_refused(name: str) -> None:
    with pytest.raises(WrongSignature, match=name):
        verify_webhook(PAYLOAD, {key: value for key, value in headers().items() if key != name}, SECRET, now=SENT)


@pytest.mark.parametrize("timestamp", ["yesterday", "", "nan", "9" * 30, "-" + "9" * 30])
def test_a_timestamp_that_is_no_time_is_refused(timestamp: str) -> None:
    with pytest.raises(WrongSignature, match="not a time in seconds"):
        verify_webhook(PAYLOAD, headers(timestamp=timestamp), SECRET, now=SENT)


def test_a_signed_message_that_is_not_json_is_refused() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{ID}.1731705121.".encode() + b"hello", hashlib.sha256)
    with pytest.raises(WrongSignature, match="not JSON"):
        verify_webhook(b"hello", headers(f"v1,{base64.b64encode(digest).decode()}"), SECRET, now=SENT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?", "whsec_abc"])
def test_a_secret_of_another_form_is_an_error_of_the_program(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and Base64"):
        verify_webhook(PAYLOAD, headers(), secret, now=SENT)
