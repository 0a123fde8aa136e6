"""Texts: limits of free texts, characters that no text of the roster contains, and the form that is compared."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from adsum.platform.errors import Violation

MAX_NOTE = 500
MAX_REASON = 500
MAX_WORDS = 100
"""Characters of the words of a search."""
MAX_CLOSE = 3
"""Known words, such as names and ids, that a message about an unknown one lists."""
MAX_COMPARED = 40
# NUL, and halves of UTF-16 pairs.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
UNSTORABLE_TEXT = "must not contain NUL or unpaired surrogates"
# Control characters, and the line and paragraph separators of Unicode.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Characters that a terminal obeys instead of showing them: control characters but tabs and line breaks, separators of
# lines, and bidirectional controls, which turn the rest of a line around; and halves of UTF-16 pairs. Names in scripts
# that run from right to left need none of them. Joiners, which Persian names need, are none.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
WRONG_ROSTER_TEXT = "this must not contain control characters, such as NUL or a line break, or unpaired surrogates"


# Letters that are no letter with an accent to Unicode.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h", "ŧ": "t"}
)
# Letters that are also written as two, where a keyboard lacks them: Müller and Mueller, Søren and Soeren.
_TRANSCRIBED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
# As typed, in typesetting and in transcriptions of Arabic and Hawaiian.
_APOSTROPHES = "'`\u00b4\u2018\u2019\u201b\u2032\uff07\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_UNIFIED = str.maketrans({**dict.fromkeys(_APOSTROPHES, ""), **dict.fromkeys(_DASHES, "-")})
_DIGITS = re.compile("([0-9]+)")
# Of these, one character is a name or a part of it: kana, Chinese characters, and syllables of Hangul.
_SYLLABLE = re.compile("[\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]")
_BETWEEN_WORDS = re.compile(rf"[\s,;،、]+|(?<=[^\W\d_])[-{_DASHES}](?=[^\W\d_])")


def is_roster_text(text: str) -> bool:
    """Whether a text may be an id or a name in the roster, once blanks at its ends are stripped."""
    return CONTROL.search(text) is None and UNSTORABLE.search(text) is None


def validate_roster_text(text: str, pointer: str) -> Iterator[Violation]:
    """The violation of a text that `is_roster_text` refuses."""
    if not is_roster_text(text):
        yield Violation("wrong_text", WRONG_ROSTER_TEXT, pointer)


def readable(text: str) -> str:
    """The text with U+FFFD in the place of each character that a terminal obeys."""
    return OBEYED.sub("\ufffd", text.replace("\r\n", "\n"))


def on_one_line(text: str) -> str:
    """As `readable`, with a sign for each line break and a blank for each tab, so that no text makes a line or a column
    of its own.
    """
    return readable(text).replace("\n", " ↵ ").replace("\t", " ")


def escaped_json(text: str) -> str:
    """A JSON text of the same values with an escape sequence for each character that a terminal obeys."""
    return OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def folded(text: str) -> str:
    """The text without case and accents: Åberg is aberg, de Vries is de vries, Łukasz is lukasz."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


ListOrder = tuple[tuple[float, str], ...]


def list_order(text: str) -> ListOrder:
    """The order of a text without case and accents, and with numbers by their value: 9a, 10, Élodie beside Elodie.

    It is the order of English and German, whose letters with accents are no letters of their own. Numbers come first.
    """
    parts = _DIGITS.split(folded(text.strip()))
    # Every other part is a number. The first one is empty if the text begins with a number.
    return tuple((int(part), "") if i % 2 else (math.inf, part) for i, part in enumerate(parts) if part)


def list_key(text: str) -> tuple[ListOrder, str]:
    """The key that sorts names and titles everywhere: as `list_order`, then by its accents and case.

    Lists are sorted in Python, because the collations of the two databases differ.
    """
    return list_order(text), text


def search_spellings(text: str) -> list[str]:
    """The folded spellings under which a text is found, without apostrophes: O'Núñez is onunez, Müller also mueller."""
    plain = unicodedata.normalize("NFC", text).translate(_UNIFIED)
    transcribed = plain.casefold().translate(_TRANSCRIBED)
    return list(dict.fromkeys((folded(plain), folded(transcribed))))


def search_words(text: str) -> list[str]:
    """The words that are searched: `Family, Given` and `Anna-Lena` are two, `k-7` is one."""
    return [word for word in _BETWEEN_WORDS.split(text) if word]


def is_searchable(words: str) -> bool:
    """Whether words are searched: one of them has two letters or digits, or a character that is a syllable."""
    return any(len(search_spellings(word)[0]) > 1 or _SYLLABLE.search(word) for word in search_words(words))


def close_words(text: str, known: Iterable[str]) -> list[str]:
    """At most `MAX_CLOSE` of the known words that may be meant by a text, the closest first."""
    spelled = {word.lower(): word for word in known}
    close = get_close_matches(text.lower()[:MAX_COMPARED], spelled, MAX_CLOSE, cutoff=0.75)
    return [spelled[word] for word in close]


def did_you_mean(close: Iterable[str]) -> str:
    """The question at the end of a message about an unknown word."""
    return f"did you mean {' or '.join(close)}?"


def note_text(note: str) -> str:
    """A note as it is stored, whichever way it comes in: without blanks and line breaks at its ends, as in files."""
    return note.strip()


def validate_note(note: str | None, pointer: str = "/note") -> Iterator[Violation]:
    """The violations in a note; None has none."""
    return _validate_text("note", None if note is None else note_text(note), MAX_NOTE, pointer)


def validate_reason(reason: str | None) -> Iterator[Violation]:
    """The violations in the reason of a change; None has none."""
    return _validate_text("reason", reason, MAX_REASON, "/reason")


def _validate_text(name: str, text: str | None, limit: int, pointer: str) -> Iterator[Violation]:
    if text is None:
        return
    if len(text) > limit:
        yield Violation(f"{name}_too_long", f"a {name} has at most {limit} characters", pointer, {"most": limit})
    elif UNSTORABLE.search(text):
        yield Violation(f"{name}_not_text", f"a {name} {UNSTORABLE_TEXT}", pointer)
