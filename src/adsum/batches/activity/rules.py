"""How busy a school was, minute by minute: what was recorded, what failed, and how much was open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
MINUTES = 15


@dataclass(frozen=True, slots=True)
class RunsOfMinutes:
    """Runs that were accepted in one minute and ended in one, counted together.

    Attributes:
        accepted: the minute, from 0; -1: before the first one.
        ended: the minute; None: they are open.
        runs: how many they are.
        recorded: students whom they recorded themselves, not those of the runs that they carried on.
        failed: students who failed.
    """

    accepted: int
    ended: int | None
    runs: int
    recorded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the clock.

    Attributes:
        begin: its first moment.
        recorded: students of the batches that ended in it.
        failed: the same, of those who failed.
        open: batches that were accepted and had not ended when it was over; of the newest one, now.
    """

    begin: datetime
    recorded: int
    failed: int
    open: int


def first_minute(now: datetime) -> datetime:
    """Where the minutes begin of which the one of `now` is the last."""
    return now.replace(second=0, microsecond=0) - (MINUTES - 1) * MINUTE


def minutes_of(begin: datetime, counted: Iterable[RunsOfMinutes]) -> list[Minute]:
    """`MINUTES` of them, the oldest first."""
    rows = list(counted)
    return [
        Minute(
            begin + number * MINUTE,
            recorded=sum(row.recorded for row in rows if row.ended == number),
            failed=sum(row.failed for row in rows if row.ended == number),
            open=sum(row.runs for row in rows if row.accepted <= number and (row.ended is None or row.ended > number)),
        )
        for number in range(MINUTES)
    ]
