"""The languages of the pages: gettext catalogues, and which one a visitor gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

COOKIE: Final = "adsum-language"
SOURCE: Final = "en"
TRANSLATED: Final = ("de",)
# What a day is to show; each language has its own order and dots for it.
SKELETONS: Final = frozenset({"MMMEd", "yMMMEd"})


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its texts, and how it writes days and numbers."""

    code: str
    translations: NullTranslations = field(default_factory=NullTranslations)

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.code)

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, as HTML has it."""
        return self.locale.text_direction

    @property
    def name(self) -> str:
        """As those who speak it call it."""
        return (self.locale.get_display_name(self.code) or self.code).capitalize()

    def gettext(self, message: str) -> str:
        return self.translations.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.translations.ngettext(singular, plural, number)

    def day(self, day: date, form: str = "full") -> str:
        """A day in words; `form` is one of Babel's: full, long, medium, short, a skeleton of ours, or a pattern."""
        if form in SKELETONS:
            return format_skeleton(form, day, locale=self.locale)
        return format_date(day, form, locale=self.locale)

    def moment(self, moment: datetime, time_zone: str, form: str = "medium") -> str:
        """A moment as the clock on the school's wall shows it."""
        return format_datetime(moment, form, tzinfo=ZoneInfo(time_zone), locale=self.locale)

    def time(self, moment: datetime, time_zone: str, form: str = "medium") -> str:
        """The time of a moment alone: `medium` with its seconds, `short` without."""
        return format_time(moment, form, tzinfo=ZoneInfo(time_zone), locale=self.locale)

    def duration(self, duration: timedelta) -> str:
        """How long something took, or takes: exact below a minute, and about as long above."""
        seconds = duration.total_seconds()
        if seconds < 60:
            return format_unit(round(seconds, 1 if seconds < 10 else None), "second", "short", locale=self.locale)
        return format_timedelta(duration, format="short", threshold=1.5, locale=self.locale)

    def clock(self, local: str) -> str:
        """A local `HH:MM` as this language writes times."""
        hours, minutes = local.split(":")
        return format_time(time(int(hours), int(minutes)), "short", locale=self.locale)

    def number(self, number: float) -> str:
        return format_decimal(number, locale=self.locale)

    def percent(self, percent: float) -> str:
        """Of a number from 0 to 100, with one digit after the point."""
        return format_percent(percent / 100, "#,##0.#\u00a0%" if self.code == "de" else "#,##0.#%", locale=self.locale)


def load_languages() -> dict[str, Language]:
    """All languages by code, the source first."""
    return {SOURCE: Language(SOURCE)} | {code: Language(code, _catalogue(code)) for code in TRANSLATED}


def chosen_language(languages: Mapping[str, Language], cookie: str | None, accepted: str) -> Language:
    """What the visitor has chosen, or else what their browser asks for, or else the source.

    Args:
        languages: there are.
        cookie: the code that was chosen, or None.
        accepted: an Accept-Language header; weights decide, then the order.
    """
    if cookie is not None and cookie in languages:
        return languages[cookie]
    return next((languages[code] for code in _by_weight(accepted) if code in languages), languages[SOURCE])


def _by_weight(accepted: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in accepted[:500].split(","):
        tag, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), tag.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    return [code for _, code in sorted(weighed, key=lambda each: each[0])]


@cache
def _catalogue(code: str) -> NullTranslations:
    """Compiled once a process, so that no compiled file can be older than its source."""
    source = files("adsum.platform.pages") / "locale" / code / "LC_MESSAGES" / "adsum.po"
    compiled = BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)
