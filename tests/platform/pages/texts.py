"""The texts of the pages and their translations: `python -m tests.platform.pages.texts` updates the catalogues.

New texts are added without a translation, which `test_texts.py` reports. Unused texts are removed. Nothing else
changes, so that a diff shows only the changed texts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po, write_po

from adsum.platform.pages.languages import TRANSLATED
from tests.support.live import ROOT

COMMAND = "python -m tests.platform.pages.texts"
SOURCE: Final = Path("src/adsum")
CATALOGUES: Final = SOURCE / "platform/pages/locale"
# The functions that translate the texts of pages. N_ only marks a text that is translated elsewhere.
FUNCTIONS: Final = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
# The options of the environment that renders the pages: see rendering.py.
TEMPLATES: Final = {
    "extensions": "jinja2.ext.i18n,jinja2.ext.do",
    "newstyle_gettext": "true",
    "trimmed": "true",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "silent": "false",
}
# Texts of `rules` and `definitions` that pages show: definitions of reports, default labels, and reasons of outcomes.
OF_DOMAIN: Final = {
    "reports/definitions.py": {"Sentence": None},
    "attendance/statuses/rules.py": {"Status": (2,)},
    "batches/job_outcomes.py": {"translatable": None},
}

Text = str | tuple[str, ...]
"""A text, or its singular and plural."""


def texts(root: Path = ROOT) -> Catalog:
    """Every text of the pages of a checkout, without translations. Raises TemplateSyntaxError."""
    found = Catalog()
    for text in _of_pages(root / SOURCE):
        found.add(text)
    for name, keywords in OF_DOMAIN.items():
        for _, text, _, _ in extract_from_file("python", root / SOURCE / name, keywords=keywords):
            found.add(_plain(text))
    return found


def catalogue_file(language: str) -> Path:
    """The path of the translations into a language."""
    return ROOT / CATALOGUES / language / "LC_MESSAGES" / "adsum.po"


def translations(language: str) -> Catalog:
    """The translations into a language."""
    with catalogue_file(language).open("rb") as file:
        return read_po(file, locale=language)


def up_to_date(language: str, present: Catalog) -> str:
    """The catalogue of a language with the present texts. Its header and its translations stay."""
    header = catalogue_file(language).read_text(encoding="utf-8").split("\n\n", 1)[0].rstrip()
    known = translations(language)
    catalogue = Catalog(locale=language)
    for message in present:
        if message.id:
            old = known.get(message.id)
            keeps = old is not None and old.pluralizable == message.pluralizable
            catalogue.add(message.id, old.string if old is not None and keeps else None)
    written = BytesIO()
    write_po(written, catalogue, width=120, no_location=True, omit_header=True, sort_output=True)
    return f"{header}\n\n{written.getvalue().decode().strip()}\n"


def main() -> int:
    """Brings all catalogues up to date."""
    present = texts()
    for language in TRANSLATED:
        catalogue_file(language).write_text(up_to_date(language, present), encoding="utf-8")
    return 0


def _of_pages(pages: Path) -> Iterator[Text]:
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext.babel_extract")]
    options: Mapping[str, Mapping[str, str]] = {"**/templates/**.html": TEMPLATES}
    for _, _, text, _, _ in extract_from_dir(pages, methods, {**options}, keywords=FUNCTIONS):
        yield _plain(text)


def _plain(text: Text) -> Text:
    """The texts of a call. A plural has further arguments, which are not texts."""
    return text if isinstance(text, str) else tuple(part for part in text if part)[:2]


if __name__ == "__main__":
    sys.exit(main())
