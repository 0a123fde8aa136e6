"""The profile of a user, and what they change of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from adsum.accounts.names import NameChange, PersonName
from adsum.platform.errors import Violation
from adsum.platform.pages.languages import SOURCE, TRANSLATED

LANGUAGES = (SOURCE, *TRANSLATED)


@dataclass(frozen=True, slots=True)
class Profile:
    """A user, as they see themselves.

    Attributes:
        school: the name of their school; None: all schools.
        source_id: in the roster, from which their name then comes.
        language: of their pages; None: that of the browser.
    """

    id: int
    email: str
    name: PersonName
    role: str
    school: str | None
    source_id: str | None
    language: str | None

    @property
    def is_named_by_roster(self) -> bool:
        return self.source_id is not None


class ProfileChange(TypedDict, total=False):
    """Changes of a profile; missing values stay. `language` None: that of the browser."""

    name: NameChange
    language: str | None


def changed_name(change: ProfileChange, profile: Profile) -> PersonName:
    """The name after a change of the profile."""
    return change["name"].applied_to(profile.name) if "name" in change else profile.name


def validate_change(change: ProfileChange, profile: Profile) -> Iterator[Violation]:
    """The violations of a change of the profile."""
    if "name" in change:
        yield from changed_name(change, profile).violations()
    language = change.get("language")
    if language is not None and language not in LANGUAGES:
        detail = f"the pages are available in {', '.join(LANGUAGES)}"
        yield Violation("unknown_language", detail, "/language", {"allowed": list(LANGUAGES)})
