"""The languages of the pages: translations, formats, and the choice for a visitor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta, get_datetime_format
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

COOKIE: Final = "language"
SOURCE: Final = "en"
TRANSLATED: Final = ("de",)
# The regions whose formats are used, by language. Visitors of the English pages are in many. Without a bound, clients
# could make a process keep templates for every region.
REGIONS: Final = {
    "en": frozenset(["AT", "AU", "BE", "CA", "CH", "DE", "DK", "FI", "GB", "IE", "IN", "NL", "NZ", "SE", "ZA"]),
    "de": frozenset(["AT", "BE", "CH", "LU"]),
}
# Territories with American formats, and the region whose formats other territories use that are not in REGIONS.
AMERICAN: Final = frozenset(["AS", "GU", "MP", "PH", "PR", "UM", "US", "VI"])
WORLD: Final = {"en": "001"}
# Formats of dates as skeletons. Each language has its own order and punctuation.
# The titles of sessions whose class file has no name for them: see `roster/importing/roster_mapping/classes.py`.
_UNNAMED_SESSION: Final = "Attendance"
_PERIOD: Final = re.compile(r"Period (\d.*)")
SKELETONS: Final = frozenset({"MMMd", "MMMEd", "yMMMEd", "yMMMd"})


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its texts, and its formats of dates and numbers, which are those of a region if it is known."""

    code: str
    translations: NullTranslations = field(default_factory=NullTranslations)
    region: str | None = None

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.locale_name)

    @property
    def locale_name(self) -> str:
        """The name of the locale, such as `en` or `en_GB`."""
        return self.code if self.region is None else f"{self.code}_{self.region}"

    @property
    def tag(self) -> str:
        """The language and its region for HTML, such as `en-GB`. Scripts format times by it."""
        return self.locale_name.replace("_", "-")

    @property
    def direction(self) -> str:
        """The direction of the text for HTML: `ltr` or `rtl`."""
        return self.locale.text_direction

    @property
    def name(self) -> str:
        """The name of the language in that language."""
        return (self.locale.get_display_name(self.code) or self.code).capitalize()

    def gettext(self, message: str) -> str:
        return self.translations.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.translations.ngettext(singular, plural, number)

    def session(self, title: str | int) -> str:
        """The title of a session; in this language, if an import has given it: `Period 1` or `Attendance`."""
        text = str(title)
        if found := _PERIOD.fullmatch(text):
            numbered = self.gettext("Period %(number)s") if found[1].isdecimal() else self.gettext("Period %(name)s")
            return numbered % {"number": found[1], "name": found[1]}
        return self.gettext("Attendance") if text == _UNNAMED_SESSION else text

    def day(self, day: date, form: str = "full") -> str:
        """Formats a date. `form` is full, long, medium, one of `SKELETONS`, or a pattern of Babel.

        All forms name the month, so that dates of one page look alike.
        """
        if form in SKELETONS or form == "medium":
            return format_skeleton("yMMMd" if form == "medium" else form, day, locale=self.locale)
        return format_date(day, form, locale=self.locale)

    def month(self, number: int) -> str:
        """The name of a month, which stands alone: 1 is January."""
        return format_date(date(2000, number, 1), "LLLL", locale=self.locale)

    def moment(self, moment: datetime, time_zone: str, form: str = "medium") -> str:
        """Formats a date and time in the school's time zone: `medium` with seconds, `short` without."""
        day = self.day(moment.astimezone(ZoneInfo(time_zone)).date(), "medium")
        pattern = str(get_datetime_format("medium", locale=self.locale))
        return pattern.replace("{1}", day).replace("{0}", self.time(moment, time_zone, form))

    def time(self, moment: datetime, time_zone: str, form: str = "medium") -> str:
        """Formats a time in the school's time zone: `medium` with seconds, `short` without."""
        return format_time(moment, form, tzinfo=ZoneInfo(time_zone), locale=self.locale)

    def duration(self, duration: timedelta) -> str:
        """Formats a duration: exact below a minute, rounded above."""
        seconds = duration.total_seconds()
        if seconds < 60:
            return format_unit(round(seconds, 1 if seconds < 10 else None), "second", "short", locale=self.locale)
        return format_timedelta(duration, format="short", threshold=1.5, locale=self.locale)

    def relative(self, duration: timedelta) -> str:
        """Formats the time until a moment: `in 5 minutes`; of one that is over: `5 minutes ago`."""
        return format_timedelta(duration, threshold=1.5, add_direction=True, locale=self.locale)

    def clock(self, local: str) -> str:
        """Formats a local time `HH:MM`."""
        hours, minutes = local.split(":")
        return format_time(time(int(hours), int(minutes)), "short", locale=self.locale)

    def number(self, number: float) -> str:
        return format_decimal(number, locale=self.locale)

    def percent(self, percent: float) -> str:
        """Formats a percentage from 0 to 100 with one decimal."""
        return format_percent(percent / 100, "#,##0.#\u00a0%" if self.code == "de" else "#,##0.#%", locale=self.locale)


def load_languages() -> dict[str, Language]:
    """All languages by code, the source language first."""
    return {SOURCE: Language(SOURCE)} | {code: Language(code, _catalogue(code)) for code in TRANSLATED}


def chosen_language(languages: Mapping[str, Language], chosen: str | None, accepted: str) -> Language:
    """The chosen language, else the preferred language of the browser, else the source language.

    Its region is the first one that the browser names: British dates differ from American ones.

    Args:
        languages: the available languages.
        chosen: the code that the visitor chose, in their profile or in this browser, or None.
        accepted: the Accept-Language header, ordered by weight and then by position.
    """
    tags = _by_weight(accepted)
    preferred = next((code for code, _ in tags if code in languages), SOURCE)
    language = languages[chosen if chosen is not None and chosen in languages else preferred]
    region = next((region for _, region in tags if region), None)
    return replace(language, region=_region_of_formats(language, region))


def _region_of_formats(language: Language, region: str | None) -> str | None:
    """The region whose formats a visitor sees. None: those of the language itself, which are American for English."""
    if region in REGIONS[language.code]:
        return region
    is_elsewhere = region in language.locale.territories and region not in AMERICAN
    return WORLD.get(language.code) if is_elsewhere else None


def _by_weight(accepted: str) -> list[tuple[str, str]]:
    """The languages and regions that a browser accepts, the preferred ones first; a region may be empty."""
    weighed: list[tuple[float, str]] = []
    for part in accepted[:500].split(","):
        tag, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), tag.strip()))
        except ValueError:
            continue
    tags = [tag.partition("-") for _, tag in sorted(weighed, key=lambda each: each[0])]
    return [(code.lower(), region.upper()) for code, _, region in tags]


@cache
def _catalogue(code: str) -> NullTranslations:
    """The translations, compiled once per process, so that no compiled file is outdated."""
    source = files("adsum.platform.pages") / "locale" / code / "LC_MESSAGES" / "adsum.po"
    compiled = BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)
