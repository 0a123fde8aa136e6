"""The translations of the pages: each text has one, with the same placeholders, and no translation is unused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import pytest
from babel.messages.catalog import Catalog, Message

from adsum.platform.pages.languages import TRANSLATED
from tests.platform.pages.texts import COMMAND, catalogue_file, texts, translations, up_to_date

# Placeholders of values, percent signs of the text, and tags.
PLACEHOLDERS = re.compile(r"%\(\w+\)s|%%|%|</?[^>]+>")

languages = pytest.mark.parametrize("language", TRANSLATED)


@cache
def present() -> Catalog:
    return texts()


@languages
def test_every_text_of_the_pages_is_translated(language: str) -> None:
    known = translations(language)
    missing = [source_forms(message)[0] for message in present() if message.id and not is_translated(known, message)]
    assert missing == [], f"run {COMMAND}, and translate these in {catalogue_file(language)}"


@languages
def test_every_translation_belongs_to_a_text_of_a_page(language: str) -> None:
    unused = [
        source_forms(message)[0] for message in translations(language) if message.id and message.id not in present()
    ]
    assert unused == [], f"{COMMAND} removes them"


@languages
def test_a_translation_has_the_placeholders_and_tags_of_its_text(language: str) -> None:
    wrong = [
        text
        for message in translations(language)
        if message.id
        for text, source in zip(*forms(message), strict=True)
        if text and sorted(PLACEHOLDERS.findall(text)) != sorted(PLACEHOLDERS.findall(source))
    ]
    assert wrong == []


@languages
def test_a_translation_has_the_quotation_marks_of_its_language(language: str) -> None:
    """ASCII quotation marks would end an attribute that contains the text."""
    assert [text for message in translations(language) if message.id for text in forms(message)[0] if '"' in text] == []


@languages
def test_no_translation_is_written_twice(language: str) -> None:
    doubled = re.compile(r"(.{12,}?)\s*\1", re.DOTALL)
    translated = [text for message in translations(language) if message.id for text in forms(message)[0]]
    assert [text for text in translated if doubled.fullmatch(text)] == []


@languages
def test_a_catalogue_has_the_format_of_the_command(language: str) -> None:
    assert catalogue_file(language).read_text(encoding="utf-8") == up_to_date(language, present()), f"run {COMMAND}"


def source_forms(message: Message) -> tuple[str, ...]:
    """The text of a message, or its singular and plural."""
    return as_forms(message.id)


def forms(message: Message) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The translations of a message, and the source of each: the singular for the first, the plural for the others."""
    translated, source = as_forms(message.string), source_forms(message)
    return translated, (source[0], *(source[-1] for _ in translated[1:]))


def is_translated(known: Catalog, message: Message) -> bool:
    """Whether all plural forms of the language are translated."""
    found = known.get(source_forms(message)[0])
    if found is None or found.pluralizable != message.pluralizable or found.fuzzy:
        return False
    number = known.num_plurals if message.pluralizable else 1
    translated = as_forms(found.string)
    return len(translated) == number and all(translated)


def as_forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def test_german_texts_have_one_term_for_students() -> None:
    """In the singular and the plural, as school offices write it for every age."""
    term = re.compile(r"Schüler/in|Schülerin oder (?:diese[rmn] |einen )?Schüler|Schülerinnen und Schülern?")
    other = re.compile(r"schüler|\bkind(?:er|ern|es|s)?\b|lernende", re.IGNORECASE)
    german = [text for message in translations("de") if message.id for text in forms(message)[0]]
    assert [text for text in german if other.search(term.sub("", text))] == []
