"""The policy of an installation on new passwords: the rules, and the list of breached ones if there is one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from adsum.accounts.passwords.breached import BreachedPasswords
from adsum.accounts.passwords.hashing import GROUP_LENGTH, generated_password
from adsum.accounts.passwords.rules import MIN_LENGTH, Strength, strength_of, validate_password
from adsum.platform.errors import Violation

# Of a generated password, which have 80 bits.
_GROUPS = 4


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """Checks every password that somebody chooses, for themselves or for others.

    Attributes:
        min_length: ADSUM_PASSWORD_MIN_LENGTH.
        breached: of ADSUM_BREACHED_PASSWORDS; None: they are not looked up.
    """

    min_length: int = MIN_LENGTH
    breached: BreachedPasswords | None = None

    async def violations(self, password: str, names: Collection[str]) -> list[Violation]:
        """The violations of a new password. `names`: words that it does not consist of. Raises Unavailable."""
        found = validate_password(password, self.min_length, names)
        if not found and await self._is_breached(password):
            detail = "this password is known from a data breach: choose another one, and use this one nowhere"
            found.append(Violation("password_breached", detail, "/password"))
        return found

    async def strength(self, password: str, names: Collection[str]) -> Strength:
        """How hard a password is to guess; a breached one is weak, however long it is."""
        return Strength.WEAK if await self._is_breached(password) else strength_of(password, names)

    def generated(self) -> str:
        """A random password that is as long as others have to be."""
        needed = -(-(self.min_length + 1) // (GROUP_LENGTH + 1))
        return generated_password(max(_GROUPS, needed))

    async def _is_breached(self, password: str) -> bool:
        return self.breached is not None and await self.breached.contain(password)
