"""Encrypts the words of a search, so that the address of its result contains no name."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.platform.secret_box import SecretBox, UnknownKey


@dataclass(frozen=True, slots=True)
class KeptWords:
    """The words of a search, and their encrypted form."""

    words: str = ""
    sealed: str = ""


class WordKeeper:
    """Encrypts words for one user.

    Args:
        box: encrypts them.
    """

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def keep(self, words: str, user_id: int) -> KeptWords:
        """Encrypts words, without the blanks around them."""
        stripped = words.strip()
        return KeptWords(stripped, self._box.seal(stripped, str(user_id))) if stripped else KeptWords()

    def kept(self, sealed: str, user_id: int) -> KeptWords:
        """Decrypts words. Those of another user, or of a signing key that has ended, are none."""
        if not sealed:
            return KeptWords()
        try:
            return KeptWords(self._box.open(sealed, str(user_id), is_stored=False).text, sealed)
        except UnknownKey:
            return KeptWords()
