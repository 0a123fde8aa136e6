"""Rules for new passwords: their length, and how hard they are to guess (NIST SP 800-63B).

A password is split into parts as a guesser would: common passwords and words, names of the user, numbers, runs such as
`abcd` or `aaaa`, and single characters. The fewer parts it has, the sooner it is guessed, however long it is. So there
are no rules on capital letters or special characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from enum import IntEnum
from functools import cache
from importlib.resources import files
from itertools import pairwise

from adsum.platform.errors import Violation

# The default of `ADSUM_PASSWORD_MIN_LENGTH`.
MIN_LENGTH = 12
MAX_LENGTH = 256
# The keys of a keyboard, and the alphabet, of which neighbours form a run.
_ROWS = ("qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "1234567890", "abcdefghijklmnopqrstuvwxyz")
_NEIGHBOURS = frozenset(pair for row in (*_ROWS, *(row[::-1] for row in _ROWS)) for pair in pairwise(row))
_LOOKALIKES = str.maketrans("@4310$57!", "aaeiossti")
# Words of schools that the list of common passwords lacks.
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        adsum attendance class classroom college education geheim grundschule gymnasium kennwort klasse lehrer lehrerin
        office present register schule school secretary sekretariat student students teacher teachers unterricht welcome
        willkommen january february april june july august september october november december januar februar maerz märz
        juni juli oktober dezember montag dienstag mittwoch donnerstag freitag monday tuesday wednesday thursday friday
        spring autumn frühling fruehling herbst ferien holiday holidays
        """,
    )
)
_NUMBER_OR_SIGNS = re.compile(r"\d+|[^\w\s]+")
_MIN_WORD, _MAX_WORD = 4, 24
_MIN_NAME = 3
_MIN_RUN = 3


class Strength(IntEnum):
    """How hard a password is to guess. `WEAK` is refused."""

    WEAK = 1
    FAIR = 2
    GOOD = 3
    STRONG = 4


def validate_password(password: str, minimum: int, names: Collection[str] = ()) -> list[Violation]:
    """The violations of a new password.

    Args:
        password: as it was typed.
        minimum: of its length.
        names: of the user: email, given and family name.
    """
    if not minimum <= len(password) <= MAX_LENGTH:
        detail = f"a password has {minimum} to {MAX_LENGTH} characters"
        return [Violation("wrong_password_length", detail, "/password", {"minimum": minimum, "maximum": MAX_LENGTH})]
    if strength_of(password, names) is Strength.WEAK:
        detail = "this password is easy to guess: use several words, or more varied characters"
        return [Violation("password_guessable", detail, "/password")]
    return []


def strength_of(password: str, names: Collection[str] = ()) -> Strength:
    """The strength by the number of parts: see the module."""
    number = number_of_parts(password, names)
    return (
        Strength.WEAK
        if number < 5
        else Strength.FAIR
        if number < 8
        else Strength.GOOD
        if number < 12
        else Strength.STRONG
    )


def number_of_parts(password: str, names: Collection[str] = ()) -> int:
    """The number of parts that a guesser needs. A common word counts twice: there are many of them."""
    text = normalised(password)[:MAX_LENGTH].casefold()
    own = frozenset(word for name in names for word in _words_of(name))
    # A word that is repeated counts once, as does a letter that is replaced by a lookalike.
    return min(sum(dict(_parts(each, own)).values()) for each in (text, text.translate(_LOOKALIKES)))


def normalised(password: str) -> str:
    """The form in which a password is hashed: keyboards produce é as one code point or as two."""
    return unicodedata.normalize("NFKC", password)


def _parts(text: str, own: frozenset[str]) -> Iterator[tuple[str, int]]:
    """The parts from left to right, the longest first, with their costs."""
    at = 0
    while at < len(text):
        part, cost = _part_at(text, at, own)
        yield part, cost
        at += len(part)


def _part_at(text: str, at: int, own: frozenset[str]) -> tuple[str, int]:
    found = [(text[at : at + _length_of_run(text, at)], 1)]
    if match := _NUMBER_OR_SIGNS.match(text, at):
        found.append((match[0], 1 + len(match[0]) // 5))
    for length in range(min(_MAX_WORD, len(text) - at), _MIN_NAME - 1, -1):
        word = text[at : at + length]
        if word in own:
            found.append((word, 1))
        elif length >= _MIN_WORD and (word in _WORDS or word in _common_passwords()):
            found.append((word, 2))
    # Of equally long parts the cheapest.
    return max(found, key=lambda each: (len(each[0]), -each[1]))


def _length_of_run(text: str, at: int) -> int:
    """The length of the run of equal or neighbouring characters; 1 if it is too short."""
    end = at + 1
    while end < len(text) and (text[end] == text[end - 1] or (text[end - 1], text[end]) in _NEIGHBOURS):
        end += 1
    return end - at if end - at >= _MIN_RUN else 1


def _words_of(name: str) -> Iterator[str]:
    text = normalised(name).casefold()
    yield from (word for word in re.findall(r"[^\W\d_]+", text) if len(word) >= _MIN_NAME)


@cache
def _common_passwords() -> frozenset[str]:
    """The most common passwords, of Django: see NOTICE."""
    text = files("adsum.accounts.passwords").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split("\n"))
