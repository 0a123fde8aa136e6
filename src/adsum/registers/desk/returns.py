"""Students who come back: an arrival ends the planned absence of a departure before it, and its undo gives it back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from adsum.absences.rules import Absence, PlannedAbsence
from adsum.absences.service import Absences
from adsum.accounts.access import Caller
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, NotFound
from adsum.registers.desk.repository import (
    is_absence_of_entry,
    replace_absence,
    sessions_of_student,
    standing_entries,
)
from adsum.registers.desk.rules import DeskEntry, DeskSession, missed_after, sessions_ended_by
from adsum.registers.rules import DeskKind
from adsum.schools.locks import lock_school


class Returns:
    """Ends the absences of departures, and gives them back. Both may be repeated.

    An absence that is not that of an entry stays: the office has planned it by hand.
    """

    def __init__(self, database: Database, absences: Absences) -> None:
        self._database = database
        self._absences = absences

    async def end_absences(self, arrival: DeskEntry, caller: Caller) -> None:
        """Takes the sessions that have not begun at an arrival out of the absences of the departures before it."""
        departures, _, sessions = await self._read(arrival)
        unbegun = {each.session_id for each in sessions if not each.has_begun_by(arrival.time)}
        for absence_id in {each.absence_id for each in departures}:
            planned = await self._find(absence_id, caller)
            if planned is None or planned.revoked_at is not None:
                continue
            missed = [each for each in planned.absence.session_ids or () if each not in unbegun]
            if len(missed) < len(planned.absence.session_ids or ()):
                await self._limit(planned, missed, caller)

    async def restore_absences(self, arrival: DeskEntry, caller: Caller) -> None:
        """Gives the sessions that an arrival alone had ended back to the absences of the departures before it.

        Sessions that another arrival has ended stay ended: the student is expected in them.
        """
        departures, others, sessions = await self._read(arrival)
        # Entries that share an absence have the same sessions.
        for departure in {each.absence_id: each for each in departures}.values():
            missed = {each.session_id for each in missed_after(sessions, departure.time)}
            ended = sessions_ended_by(arrival, departure, others, sessions) & missed
            if ended and not await self._extend(departure, ended, caller):
                return await self.restore_absences(arrival, caller)
        return None

    async def _read(self, arrival: DeskEntry) -> tuple[Sequence[DeskEntry], Sequence[DeskEntry], Sequence[DeskSession]]:
        """The departures up to an arrival that have an absence, the other arrivals, and the sessions of the day."""
        async with self._database.snapshot() as connection:
            entries = await standing_entries(connection, arrival)
            departed = [each for each in entries if each.kind is DeskKind.DEPARTURE and each.time <= arrival.time]
            departures = [each for each in departed if each.absence_id is not None]
            student = (arrival.school_id, arrival.student_id, arrival.day)
            sessions = await sessions_of_student(connection, *student) if departures else []
        return departures, [each for each in entries if each.kind is DeskKind.ARRIVAL], sessions

    async def _find(self, absence_id: int | None, caller: Caller) -> PlannedAbsence | None:
        """An absence. None: retention has deleted it."""
        assert absence_id is not None, "the departures have an absence"
        with suppress(NotFound):
            return (await self._absences.get(absence_id, caller)).planned
        return None

    async def _limit(self, planned: PlannedAbsence, session_ids: Sequence[int], caller: Caller) -> None:
        if session_ids:
            limited = tuple(session_ids)
            await self._absences.change(planned.id, None, lambda old: replace(old, session_ids=limited), caller)
        else:
            await self._absences.revoke(planned.id, None, caller)

    async def _extend(self, departure: DeskEntry, session_ids: Collection[int], caller: Caller) -> bool:
        """Adds sessions to the absence of a departure. False: the departure has another absence by now, or none."""
        planned = await self._find(departure.absence_id, caller)
        if planned is None:
            return True
        # The status may have been retired since. The entry still says that the student is away.
        with suppress(Invalid):
            if planned.revoked_at is not None:
                return await self._add_again(departure, session_ids, caller)
            extended = tuple(sorted({*(planned.absence.session_ids or ()), *session_ids}))
            await self._absences.change(planned.id, None, lambda old: replace(old, session_ids=extended), caller)
        return True

    async def _add_again(self, departure: DeskEntry, session_ids: Collection[int], caller: Caller) -> bool:
        """Adds an absence in the place of a revoked one. False: the departure was undone meanwhile, or got another."""
        day = departure.day
        absence = Absence(day, day, departure.missed_status, tuple(sorted(session_ids)), reason=departure.reason)
        added = await self._absences.add([departure.student_id], absence, caller, school_id=departure.school_id)
        absence_id = added.absences[0].id
        async with self._database.transaction() as connection:
            await lock_school(connection, departure.school_id)
            is_replaced = await replace_absence(connection, departure, absence_id)
            is_used = is_replaced or await is_absence_of_entry(connection, absence_id)
        if added.is_new and not is_used:
            await self._absences.revoke(absence_id, None, caller)
        return is_replaced
