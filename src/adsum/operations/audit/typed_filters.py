"""The filters of the page of the audit log, as the visitor typed them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from adsum.accounts.audit.rules import Action
from adsum.operations.audit.rules import ACTIONS, Area, Parties
from adsum.platform.days import A_DAY, WrongDay, day_near, today_in
from adsum.platform.ids import MAX_ID

SYSTEM = "system"
"""The code of the command line, and of Adsum itself, as a party."""
_PARTY = re.compile(r"(person|key|student)-([1-9][0-9]{0,18})")


class Period(StrEnum):
    """The periods that the page offers. Those of several days end today. DAYS: the days that the visitor types."""

    ALL = ""
    TODAY = "today"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    DAYS = "days"


LENGTHS = {Period.TODAY: 1, Period.WEEK: 7, Period.MONTH: 30, Period.QUARTER: 90}
"""The days of a period that ends today."""


@dataclass(frozen=True, slots=True)
class TypedAuditFilters:
    """The filters of the page.

    Attributes:
        who, whom: words of the names of those who acted, and whom the actions are about. They are never in an address,
            which is kept in histories and logs: the page searches for them and goes on with the codes that it finds.
        by, about: the codes of chosen parties, such as `person-12`, separated by commas.
        action: an action, or an area.
        school: an id.
        period, first, last: the days; those of `first` and `last` hold for `Period.DAYS`.
    """

    who: str = ""
    by: str = ""
    whom: str = ""
    about: str = ""
    action: str = ""
    school: str = ""
    period: str = ""
    first: str = ""
    last: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """The filters that narrow, by the names of their fields, without words."""
        days = {"from": self.first, "to": self.last} if self.period == Period.DAYS else {}
        values = {
            "by": self.by,
            "about": self.about,
            "action": self.action,
            "school": self.school,
            "period": self.period,
            **days,
        }
        return {name: value for name, value in values.items() if value}

    def query(self, **changed: str) -> str:
        """The query string with these filters, and with changed fields. An empty text removes a field."""
        return urlencode({name: value for name, value in {**self.fields, **changed}.items() if value})

    @property
    def has_words(self) -> bool:
        """Whether a search for names is asked for. A chosen party takes the place of words."""
        return bool((self.who and not self.by) or (self.whom and not self.about))

    @property
    def by_codes(self) -> tuple[str, ...]:
        return _codes(self.by)

    @property
    def about_codes(self) -> tuple[str, ...]:
        return _codes(self.about)

    @property
    def invalid_fields(self) -> frozenset[str]:
        """The names of the fields that cannot be parsed."""
        is_valid = {
            "by": not self.by or parties_of(self.by) is not None,
            "about": not self.about or parties_of(self.about) is not None,
            "action": self.action in {"", *Action, *Area},
            "school": not self.school or _id(self.school) is not None,
            "period": self.period in set(Period),
            "from": not self.fields.get("from") or _day(self.first) is not None,
            "to": not self.fields.get("to") or _day(self.last) is not None,
        }
        return frozenset(name for name, valid in is_valid.items() if not valid)

    @property
    def actions(self) -> tuple[Action, ...]:
        """The chosen actions; empty: all. Like the other parsed values, it needs valid fields."""
        if self.action in set(Area):
            return ACTIONS[Area(self.action)]
        return (Action(self.action),) if self.action else ()

    @property
    def school_id(self) -> int | None:
        return _id(self.school)

    def span(self, time_zone: str, now: datetime) -> tuple[datetime | None, datetime | None]:
        """The earliest time, and the time after the last one, of the days of a time zone; None: no bound."""
        period, first, last = Period(self.period), _day(self.first), _day(self.last)
        if period is not Period.DAYS:
            length = LENGTHS.get(period)
            first, last = None if length is None else today_in(time_zone, now) - (length - 1) * A_DAY, None
        return _begin(first, time_zone), _begin(None if last is None else last + A_DAY, time_zone)


def parties_of(codes: str) -> Parties | None:
    """The parties of codes that commas separate; None: there is none, or one is malformed."""
    if codes == SYSTEM:
        return Parties(system=True)
    ids: dict[str, list[int]] = {"person": [], "key": [], "student": []}
    for code in codes.split(","):
        match = _PARTY.fullmatch(code)
        if match is None or int(match[2]) > MAX_ID:
            return None
        ids[match[1]].append(int(match[2]))
    people, keys, students = (tuple(sorted(each)) for each in ids.values())
    return Parties(people, keys, students)


def _codes(codes: str) -> tuple[str, ...]:
    return tuple(codes.split(",")) if codes else ()


def _id(text: str) -> int | None:
    is_id = re.fullmatch(r"[1-9][0-9]{0,18}", text) is not None and int(text) <= MAX_ID
    return int(text) if is_id else None


def _day(text: str) -> date | None:
    try:
        return day_near(text)
    except WrongDay:
        return None


def _begin(day: date | None, time_zone: str) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), ZoneInfo(time_zone))
