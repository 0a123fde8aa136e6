"""Texts that somebody has entered, on a terminal and in JSON."""

from __future__ import annotations

import json
import unicodedata

import pytest

from adsum.platform.texts import escaped_json, on_one_line, readable

BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
# Arabic, Hebrew, Persian with a joiner that is no control, an emoji of several, and accents in two forms.
NAMES = ("محمد الحسن", "דוד בן־גוריון", "علی\u200cرضا", "👩\u200d🏫", "Zoë Müller", "Zoe\u0308")  # noqa: RUF001 - names


def test_each_control_character_is_replaced_visibly() -> None:
    for character in {*CONTROLS, *BIDIRECTIONAL, "\u2028", "\u2029", "\ud800"} - {"\t", "\n"}:
        assert readable(f"a{character}b") == "a\ufffdb", f"{ord(character):04x}"
    assert readable("a\tb\nc\r\nd") == "a\tb\nc\nd"
    assert on_one_line("a\tb\nc\r\nd") == "a b ↵ c ↵ d"


def test_no_character_that_unicode_knows_as_a_control_is_forgotten() -> None:
    every = map(chr, range(0x110000))
    turning = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    hidden = {
        character
        for character in every
        if unicodedata.category(character) in {"Cc", "Zl", "Zp"} or unicodedata.bidirectional(character) in turning
    }
    assert {character for character in hidden if readable(character) == character} == {"\t", "\n"}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_script_stay_as_they_are(name: str) -> None:
    assert readable(name) == on_one_line(name) == escaped_json(name) == name


def test_json_keeps_its_values_and_escapes_what_a_terminal_obeys() -> None:
    value = {"reason": f"{CONTROLS}{BIDIRECTIONAL}\u2028\u2029 {' '.join(NAMES)}"}
    text = escaped_json(json.dumps(value, indent=2, ensure_ascii=False))
    assert json.loads(text) == value
    assert readable(text) == text
    assert all(name in text for name in NAMES)
