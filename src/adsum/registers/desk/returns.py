"""Students who come back: an arrival ends the planned absence of a departure before it, and its undo gives it back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from adsum.absences.rules import Absence
from adsum.absences.service import Absences
from adsum.accounts.access import Caller
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.platform.database.engine import Database
from adsum.registers.desk.repository import departures_before, sessions_of_student, set_absence
from adsum.registers.desk.rules import DeskEntry, DeskSession, marks_of_departure


class Returns:
    """Ends the absences of departures, and gives them back. Both may be repeated.

    An absence that is not that of an entry stays: the office has planned it by hand.
    """

    def __init__(self, database: Database, absences: Absences) -> None:
        self._database = database
        self._absences = absences

    async def end_absences(self, arrival: DeskEntry, caller: Caller) -> None:
        """Takes the sessions that have not begun at an arrival out of the absences of the departures before it."""
        departures, sessions = await self._read(arrival)
        unbegun = {each.session_id for each in sessions if not each.has_begun_by(arrival.time)}
        for absence_id in {each.absence_id for each in departures if each.absence_id is not None}:
            planned = (await self._absences.get(absence_id, caller)).planned
            missed = [each for each in planned.absence.session_ids or () if each not in unbegun]
            if planned.revoked_at is None and len(missed) < len(planned.absence.session_ids or ()):
                await self._limit(absence_id, missed, caller)

    async def restore_absences(self, arrival: DeskEntry, caller: Caller) -> None:
        """Gives the sessions that an arrival had ended back to the absences of the departures before it."""
        departures, sessions = await self._read(arrival)
        unbegun = {each.session_id for each in sessions if not each.has_begun_by(arrival.time)}
        async with self._database.snapshot() as connection:
            statuses = await statuses_of_school(connection, arrival.school_id)
        for departure in departures:
            later = marks_of_departure(sessions, departure.time, departure.missed_status, statuses).absent_from
            if departure.absence_id is not None and unbegun.intersection(later):
                await self._extend(departure, unbegun.intersection(later), caller)

    async def _read(self, arrival: DeskEntry) -> tuple[Sequence[DeskEntry], Sequence[DeskSession]]:
        async with self._database.snapshot() as connection:
            departures = await departures_before(connection, arrival)
            student = (arrival.school_id, arrival.student_id, arrival.day)
            return departures, await sessions_of_student(connection, *student) if departures else []

    async def _limit(self, absence_id: int, session_ids: Sequence[int], caller: Caller) -> None:
        if session_ids:
            limited = tuple(session_ids)
            await self._absences.change(absence_id, None, lambda old: replace(old, session_ids=limited), caller)
        else:
            await self._absences.revoke(absence_id, None, caller)

    async def _extend(self, departure: DeskEntry, session_ids: Collection[int], caller: Caller) -> None:
        assert departure.absence_id is not None
        planned = (await self._absences.get(departure.absence_id, caller)).planned
        if planned.revoked_at is None:
            extended = tuple(sorted({*(planned.absence.session_ids or ()), *session_ids}))
            await self._absences.change(planned.id, None, lambda old: replace(old, session_ids=extended), caller)
            return
        day, again = departure.day, tuple(sorted(session_ids))
        absence = Absence(day, day, departure.missed_status, again, reason=departure.reason)
        added = await self._absences.add([departure.student_id], absence, caller, school_id=departure.school_id)
        async with self._database.transaction() as connection:
            await set_absence(connection, departure, added.absences[0].id)
