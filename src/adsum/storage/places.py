"""Where submissions want to record: the class, the time zone of its school, the session, and who teaches there when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import BigInteger, Boolean, String
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.domain.access import Caller
from adsum.domain.days import Span
from adsum.storage.asked import asking, rows_asked
from adsum.storage.columns import Json

_PLACES = """
SELECT asked.class_id, asked.session_id, asked.user_id, c.school_id, s.time_zone,
    EXISTS (SELECT 1 FROM sessions x WHERE x.id = asked.session_id AND x.class_id = c.id) AS has_session,
    (SELECT {list_of}({tuple_of}(t.begin_date, t.end_date)) FROM class_teachers t
     WHERE t.user_id = asked.user_id AND t.class_id = c.id) AS taught
FROM asked JOIN classes c ON c.id = asked.class_id JOIN schools s ON s.id = c.school_id"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place that is asked for. `user_id`: of whom it is asked when they teach the class, or None."""

    class_id: int
    session_id: int | None
    user_id: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """A class that there is.

    Attributes:
        class_id: of the class.
        school_id: of its school.
        time_zone: IANA name, of its school.
        has_session: whether the session that was asked for is one of this class.
        taught: when the user who was asked for teaches it.
    """

    class_id: int
    school_id: int
    time_zone: str
    has_session: bool
    taught: tuple[Span, ...]

    def is_seen_by(self, caller: Caller, day: date | None) -> bool:
        """Whether the caller sees the class on `day`, or, where it is None, on any day: the rule of `visibility`."""
        if caller.schools is not None and self.school_id not in caller.schools:
            return False
        return not caller.teaches_only or any(day is None or span.covers(day) for span in self.taught)


async def find_places(connection: AsyncConnection, wanted: Collection[Wanted]) -> dict[Wanted, Place]:
    """Those of these places that there are, whoever asks: see `Place.is_seen_by`."""
    statement = asking(connection, _PLACES, class_id="bigint", session_id="bigint", user_id="bigint").columns(
        class_id=BigInteger,
        session_id=BigInteger,
        user_id=BigInteger,
        school_id=BigInteger,
        time_zone=String,
        has_session=Boolean,
        taught=Json,
    )
    rows = await connection.execute(statement, rows_asked(map(asdict, wanted)))
    return {
        Wanted(class_id, session_id, user_id): Place(class_id, school_id, zone, has_session, _spans(taught))
        for class_id, session_id, user_id, school_id, zone, has_session, taught in rows
    }


def _spans(taught: list[tuple[str | None, str | None]] | None) -> tuple[Span, ...]:
    return tuple(Span(_day(begin), _day(end)) for begin, end in taught or ())


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
