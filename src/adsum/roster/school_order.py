"""The order in which a school lists people: by family name, given name and id, whatever accents they bear."""

from __future__ import annotations

import unicodedata


def school_order(family_name: str, given_name: str, person_id: int) -> tuple[str, str, int]:
    """The key to sort by. Sorted here, since every collation of every database has another order."""
    return _folded(family_name), _folded(given_name), person_id


def _folded(name: str) -> str:
    """Åberg stands at A, de Vries at D."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
