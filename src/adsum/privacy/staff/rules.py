"""The preview and the result of an erasure of a member of staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adsum.accounts.api_keys.rules import ApiKey
from adsum.roster.people.rules import PersonRow


@dataclass(frozen=True, slots=True)
class LoginData:
    """The number of rows about a login.

    Attributes:
        sign_ins: on pages, of programs and of the command line.
        second_factors: passkeys and authenticator apps; their recovery codes are not counted.
        identities: accounts at providers with which the user signs in.
        duties: assignments and covers that have not ended.
        answers: responses that name the person, which are stored under idempotency keys.
    """

    sign_ins: int
    second_factors: int
    identities: int
    duties: int
    answers: int


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """The rows that an erasure removes. `api_keys`: those that the person owns, to be revoked or handed over."""

    person: PersonRow
    login: LoginData
    api_keys: Sequence[ApiKey]

    @property
    def leaves_tombstone(self) -> bool:
        """Whether rosters would add the person again without one."""
        return self.person.source_id is not None and self.person.school_id is not None


@dataclass(frozen=True, slots=True)
class ErasedUser:
    """An erased user, and the API keys that they owned."""

    user_id: int
    revoked_key_ids: tuple[int, ...] = ()
    handed_over_key_ids: tuple[int, ...] = ()


def is_about_user(email: str | None, source_id: str | None, part: Mapping[str, Any]) -> bool:
    """Whether an object in an answer names a person: by email, or by source id as entries of imported files do."""
    params: Mapping[str, Any] = part.get("params") or {}
    by_source_id = source_id is not None and source_id in (part.get("user"), params.get("user"))
    return by_source_id or (email is not None and email in (*part.values(), *params.values()))
