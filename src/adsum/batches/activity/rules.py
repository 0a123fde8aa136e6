"""Activity by minute: recorded students, failed students, and open batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
MINUTES = 15


@dataclass(frozen=True, slots=True)
class RunsOfMinutes:
    """The number of runs with the same minutes of acceptance and end.

    Attributes:
        accepted: number of the minute, from 0; -1: before the first minute.
        ended: number of the minute; None: the runs are open.
        runs: number of runs.
        recorded: students whom these runs recorded, without those of the runs that they carry on.
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
        recorded: recorded students of the batches that ended in it.
        failed: failed students of these batches.
        open: batches that were open at its end; for the current minute, now.
    """

    begin: datetime
    recorded: int
    failed: int
    open: int


def first_minute(now: datetime) -> datetime:
    """The beginning of the first of `MINUTES` minutes, of which the last contains `now`."""
    return now.replace(second=0, microsecond=0) - (MINUTES - 1) * MINUTE


def minutes_of(begin: datetime, counted: Iterable[RunsOfMinutes]) -> list[Minute]:
    """All `MINUTES` minutes from `begin`, the oldest first."""
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
