"""Names of time zones: those of the IANA database, and what is close to an unknown name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from zoneinfo import available_timezones

from adsum.platform.errors import Violation
from adsum.platform.texts import MAX_CLOSE, close_words, did_you_mean

# The time zone of a school for which nobody has named one.
DEFAULT_TIME_ZONE = "UTC"
MAX_SHOWN = 40


def validate_time_zone(name: str, pointer: str) -> Iterator[Violation]:
    """The violation of a name that is no time zone, with the names that are close to it."""
    if name not in _time_zones():
        close = close_time_zones(name)
        hint = f": {did_you_mean(close)}" if close else ", such as Europe/Berlin"
        detail = f"{name[:MAX_SHOWN]!r} is not an IANA time zone{hint}"
        yield Violation("unknown_time_zone", detail, pointer, {"close": close})


def known_time_zone(name: str) -> str:
    """Returns the name of a time zone. Raises ValueError: there is no such time zone."""
    for violation in validate_time_zone(name, ""):
        raise ValueError(violation.detail)
    return name


def close_time_zones(name: str) -> list[str]:
    """At most `MAX_CLOSE` time zones that may be meant: in other letters, by the city alone, or misspelt."""
    written = "_".join(name.lower().split())
    names = {zone.lower(): zone for zone in sorted(_time_zones())}
    if written in names:
        return [names[written]]
    places = [zone for zone in names if "/" in zone and not zone.startswith("etc/")]
    cities = {zone.rpartition("/")[2]: zone for zone in places}
    city = written.rpartition("/")[2]
    if city in cities:
        return [names[cities[city]]]
    close = close_words(written, places) + [cities[each] for each in close_words(city, cities)]
    return [names[each] for each in dict.fromkeys(close)][:MAX_CLOSE]


@cache
def _time_zones() -> frozenset[str]:
    """All time zones. Cached, because it reads some hundred files."""
    return frozenset(available_timezones() - {"Factory", "localtime"})
