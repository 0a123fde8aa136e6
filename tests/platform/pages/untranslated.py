"""Finds English texts on a page in another language, by the catalogue of its translations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from html.parser import HTMLParser
from typing import Final, cast

from typing_extensions import override

from tests.platform.pages.texts import translations

# Elements whose text is not that of the page, and attributes that people read or hear.
_SKIPPED: Final = frozenset({"script", "style", "code", "title"})
_READ: Final = frozenset({"aria-label", "placeholder", "alt", "data-done", "data-label"})
_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})
_PLACEHOLDER: Final = re.compile(r"%\(\w+\)s")


class _Texts(HTMLParser):
    """Collects the texts of a page, without parts whose language is declared as English."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._skipped: list[bool] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        is_skipped = any(self._skipped) or tag in _SKIPPED or (values.get("lang") == "en" and tag != "html")
        if not is_skipped:
            self.found += [value for name, value in attrs if name in _READ and value]
        if tag not in _VOID:
            self._skipped.append(is_skipped)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and self._skipped:
            self._skipped.pop()

    @override
    def handle_data(self, data: str) -> None:
        if data.strip() and not any(self._skipped):
            self.found.append(" ".join(data.split()))


def untranslated(page: str, language: str = "de") -> set[str]:
    """The texts of an HTML page that are those of the catalogue in English, and differ in this language."""
    texts = _Texts()
    texts.feed(page)
    return {text for text in texts.found if _english(language).fullmatch(text)}


@cache
def _english(language: str) -> re.Pattern[str]:
    return re.compile("|".join(sorted(_patterns(language))))


def _patterns(language: str) -> Iterator[str]:
    """English texts as patterns. A text that is also a translation, such as `Status`, is in both languages."""
    pairs = [
        pair
        for each in translations(language)
        if each.id
        for pair in zip(_forms(each.id), _forms(each.string), strict=False)
    ]
    translated = {text for _, text in pairs}
    for source, _ in pairs:
        parts = [re.escape(part) for part in _PLACEHOLDER.split(source.replace("%%", "%"))]
        if source not in translated and sum(each.isalpha() for each in "".join(parts)) > 2:
            yield ".+?".join(parts)


def _forms(text: object) -> list[str]:
    """The singular, and the plural if there is one."""
    return [text] if isinstance(text, str) else [str(each) for each in cast("Sequence[object]", text)]
