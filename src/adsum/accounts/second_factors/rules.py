"""Kinds of second factors, one-time codes (TOTP, RFC 6238) and recovery codes."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Literal

from adsum.accounts.passwords.hashing import generated_password
from adsum.platform.errors import Conflict, Unauthenticated, Violation

STEP_S = 30
# A code of the step before or after counts, too: clocks differ, and typing takes time.
MAX_DRIFT = 1
MAX_NAME = 64
# Of one kind and user.
MAX_FACTORS = 20
RECOVERY_CODES = 10
_TOTP_CODE = re.compile(r"[0-9]{6}")


class FactorKind(StrEnum):
    """The ways to prove a second factor."""

    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"


NamedKind = Literal[FactorKind.PASSKEY, FactorKind.TOTP]
"""The kinds of factors that a user names, renames and removes one by one."""


class SecondFactorNeeded(Unauthenticated):
    """The password is right. The param `kinds` lists the second factors of the user, one of which is needed."""

    code = "second_factor_needed"

    def __init__(self, kinds: Sequence[FactorKind]) -> None:
        detail = "this user has a second factor: send a one-time code, or a recovery code, in the field code"
        super().__init__(detail, kinds=[kind.value for kind in kinds])


class FactorExists(Conflict):
    """The user has this factor already, or another user has it."""

    code = "second_factor_exists"


class LastFactor(Conflict):
    """The role of the user needs a second factor, and this is the last one."""

    code = "last_second_factor"


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof of a second factor: a code that was typed, or the answer of a passkey as JSON."""

    code: str = ""
    passkey: str = ""


def is_asked_after_provider(*, has_factors: bool, role_needs_factor: bool, is_proved_by_provider: bool) -> bool:
    """Whether a user whom a single sign-on provider has authenticated is asked for a second factor of Adsum.

    Args:
        has_factors: of Adsum.
        role_needs_factor: ADSUM_SECOND_FACTOR_ROLES names the role.
        is_proved_by_provider: the provider has asked for a second factor of its own, and is trusted to.
    """
    return has_factors and role_needs_factor and not is_proved_by_provider


def step_at(moment: datetime) -> int:
    """The time step of one-time codes."""
    return int(moment.timestamp()) // STEP_S


def step_of_code(secret: str, code: str, now: datetime, after: int) -> int | None:
    """The time step of a one-time code; None if it is wrong, of another time, or not later than the step `after`."""
    from pyotp.hotp import HOTP  # noqa: PLC0415 - only where a code is checked

    app = HOTP(secret)
    current = step_at(now)
    steps = range(max(current - MAX_DRIFT, after + 1), current + MAX_DRIFT + 1)
    # Compares with every step, so that the time does not tell which one it is.
    matching = [step for step in steps if compare_digest(app.at(step).encode(), code.encode(errors="replace"))]
    return matching[0] if matching else None


def typed_code(text: str) -> str:
    """A code as it is compared: people type blanks, hyphens and capital letters, and some keyboards wide digits."""
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text)).lower()


def is_totp(code: str) -> bool:
    """Whether a code from `typed_code` has the form of a one-time code. Others are recovery codes."""
    return _TOTP_CODE.fullmatch(code) is not None


def new_recovery_codes() -> list[str]:
    """Codes of 120 random bits each, in groups of four characters."""
    return [generated_password(groups=6) for _ in range(RECOVERY_CODES)]


def hash_of_code(code: str) -> str:
    """The hash under which a recovery code is stored. A code of 120 random bits needs no slow one."""
    return hashlib.sha256(f"recovery code|{typed_code(code)}".encode(errors="replace")).hexdigest()


def validate_factor_name(name: str) -> list[Violation]:
    """The violations of the name of a factor."""
    if 1 <= len(name) <= MAX_NAME and name.isprintable():
        return []
    detail = f"a name has 1 to {MAX_NAME} visible characters"
    return [Violation("wrong_factor_name", detail, "/name", {"maximum": MAX_NAME})]
