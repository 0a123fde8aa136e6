"""The data of the page of the audit log: entries by day, the names in them, and the results of searches for names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from adsum.accounts.access import Caller, Permission
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.audit.verification import SealState, Verifier
from adsum.accounts.visibility import sees_names
from adsum.operations.audit.rules import AuditEntry, AuditFilters, Parties
from adsum.operations.audit.service import AuditLog
from adsum.operations.audit.typed_filters import TypedAuditFilters, parties_of
from adsum.platform.errors import Invalid
from adsum.platform.paging import PageRequest, every_item
from adsum.platform.texts import folded, search_spellings, search_words
from adsum.roster.people.rules import PersonFilters
from adsum.roster.people.service import People
from adsum.roster.rules import NamedIds, StudentFilters
from adsum.roster.service import Directory, Naming
from adsum.schools.rules import School
from adsum.schools.service import Schools

# Of each kind. With more, the entries of some would be missing, so the visitor has to type more of the name.
MAX_FOUND = 20


@dataclass(frozen=True, slots=True)
class Party:
    """A person, API key or student that a search has found. `code`: see `typed_filters.parties_of`."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class FoundParties:
    """The result of a search, by name. `is_cut`: there are more than `MAX_FOUND` of a kind."""

    parties: Sequence[Party]
    ids: Parties
    is_cut: bool

    @property
    def codes(self) -> str:
        return ",".join(party.code for party in self.parties)


@dataclass(frozen=True, slots=True)
class EntryNames:
    """Names by id, as far as the caller may see them. `erased`: people who were erased."""

    people: Mapping[int, str]
    students: Mapping[int, str]
    keys: Mapping[int, str]
    schools: Mapping[int, str]
    erased: AbstractSet[int] = frozenset()


@dataclass(frozen=True, slots=True)
class AuditView:
    """The page.

    Attributes:
        days: the entries of each day, the newest first; None: a filter is invalid, or a search has found too many.
        next_cursor: of the older entries.
        is_continued: whether newer entries match, too.
        names: of the entries and of chosen parties.
        schools: that the visitor may choose.
        who, whom: what the searches have found; None: nothing is searched.
        seal: up to where the log is sealed.
        time_zone: of the chosen school, or of all schools of the visitor.
    """

    days: Sequence[tuple[date, Sequence[AuditEntry]]] | None
    next_cursor: str | None
    is_continued: bool
    names: EntryNames
    schools: Sequence[School]
    who: FoundParties | None
    whom: FoundParties | None
    seal: SealState
    time_zone: str


@dataclass(frozen=True, slots=True)
class _Searches:
    who: FoundParties | None
    whom: FoundParties | None

    @property
    def is_cut(self) -> bool:
        return any(found is not None and found.is_cut for found in (self.who, self.whom))


class AuditPageData:
    """Collects the page. Every method raises Forbidden without `audit:read`."""

    def __init__(
        self,
        audit_log: AuditLog,
        verifier: Verifier,
        naming: Naming,
        people: People,
        directory: Directory,
        api_keys: ApiKeys,
        schools: Schools,
    ) -> None:
        self._audit_log = audit_log
        self._verifier = verifier
        self._naming = naming
        self._people = people
        self._directory = directory
        self._api_keys = api_keys
        self._schools = schools

    async def view(self, typed: TypedAuditFilters, cursor: str | None, caller: Caller, now: datetime) -> AuditView:
        """The newest entries that match, or those after a cursor. A cursor of other filters is ignored."""
        schools, keys = await self._visible_schools(caller), await self._visible_keys(caller)
        time_zone = await self._time_zone(typed, schools, caller)
        searches = await self._search(typed, keys, caller)
        entries: Sequence[AuditEntry] | None = None
        next_cursor = None
        if not typed.invalid_fields and not searches.is_cut:
            filters = _filters(typed, searches, time_zone, now)
            try:
                page = await self._audit_log.page(caller, filters, PageRequest(cursor))
            except Invalid:
                page, cursor = await self._audit_log.page(caller, filters, PageRequest()), None
            entries, next_cursor = page.items, page.next_cursor
        return AuditView(
            days=None if entries is None else _by_day(entries, time_zone),
            next_cursor=next_cursor,
            is_continued=cursor is not None,
            names=await self._names(typed, entries or (), schools, keys, caller),
            schools=schools,
            who=searches.who,
            whom=searches.whom,
            seal=await self._verifier.seal_state(),
            time_zone=time_zone,
        )

    async def with_parties(self, typed: TypedAuditFilters, caller: Caller) -> TypedAuditFilters | None:
        """The filters with the people, keys and students whose names have the words; None: a search finds none, or too
        many.
        """
        searches = await self._search(typed, await self._visible_keys(caller), caller)
        found = [each for each in (searches.who, searches.whom) if each is not None]
        if any(each.is_cut or not each.parties for each in found):
            return None
        by = typed.by if searches.who is None else searches.who.codes
        about = typed.about if searches.whom is None else searches.whom.codes
        return replace(typed, who="", by=by, whom="", about=about)

    async def filters(self, typed: TypedAuditFilters, caller: Caller, now: datetime) -> AuditFilters | None:
        """The filters of an export; None: a filter is invalid, or a search finds too many."""
        schools, keys = await self._visible_schools(caller), await self._visible_keys(caller)
        searches = await self._search(typed, keys, caller)
        if typed.invalid_fields or searches.is_cut:
            return None
        return _filters(typed, searches, await self._time_zone(typed, schools, caller), now)

    async def _time_zone(self, typed: TypedAuditFilters, schools: Sequence[School], caller: Caller) -> str:
        chosen = [school.time_zone for school in schools if str(school.id) == typed.school]
        return chosen[0] if chosen else await self._audit_log.time_zone(caller)

    async def _visible_schools(self, caller: Caller) -> list[School]:
        if not sees_names(caller):
            return []
        return await every_item(lambda page: self._schools.page(caller, page))

    async def _visible_keys(self, caller: Caller) -> dict[int, str]:
        if not caller.may(Permission.KEY_MANAGE):
            return {}
        return {key.id: key.name for key in await self._api_keys.list_keys(caller)}

    async def _search(self, typed: TypedAuditFilters, keys: Mapping[int, str], caller: Caller) -> _Searches:
        who = whom = None
        if typed.who and not typed.by:
            people, is_cut = await self._people_found(typed.who, caller)
            found_keys = {key_id: name for key_id, name in keys.items() if _is_mentioned(typed.who, name)}
            who = _found(people, found_keys, {}, is_cut=is_cut or len(found_keys) > MAX_FOUND)
        if typed.whom and not typed.about:
            people, is_cut = await self._people_found(typed.whom, caller)
            students, are_cut = await self._students_found(typed.whom, caller)
            whom = _found(people, {}, students, is_cut=is_cut or are_cut)
        return _Searches(who, whom)

    async def _people_found(self, words: str, caller: Caller) -> tuple[dict[int, str], bool]:
        if not caller.may(Permission.USER_MANAGE):
            return {}, False
        page = await self._people.page(PersonFilters(words=words), caller, PageRequest(limit=MAX_FOUND))
        rows = [person.row for person in page.items]
        found = {row.id: f"{row.given_name} {row.family_name}".strip() or row.email or "" for row in rows}
        return found, page.next_cursor is not None

    async def _students_found(self, words: str, caller: Caller) -> tuple[dict[int, str], bool]:
        if not sees_names(caller):
            return {}, False
        page = await self._directory.students(caller, StudentFilters(words=words), PageRequest(limit=MAX_FOUND))
        found = {row.id: f"{row.given_name} {row.family_name}".strip() for row in page.items}
        return found, page.next_cursor is not None

    async def _names(
        self,
        typed: TypedAuditFilters,
        entries: Sequence[AuditEntry],
        schools: Sequence[School],
        keys: Mapping[int, str],
        caller: Caller,
    ) -> EntryNames:
        chosen = [parties for parties in (parties_of(typed.by), parties_of(typed.about)) if parties is not None]
        people = {each for entry in entries for each in entry.people} | {id_ for each in chosen for id_ in each.people}
        students = {entry.student_id for entry in entries if entry.student_id is not None}
        students |= {id_ for each in chosen for id_ in each.students}
        found = await self._naming.names_of(NamedIds(students=students, people=people), caller)
        names = {school.id: school.name for school in schools}
        return EntryNames(found.people, found.students, keys, names, found.erased)


def _filters(typed: TypedAuditFilters, searches: _Searches, time_zone: str, now: datetime) -> AuditFilters:
    since, until = typed.span(time_zone, now)
    return AuditFilters(
        since=since,
        until=until,
        actions=typed.actions,
        school_id=typed.school_id,
        by=searches.who.ids if searches.who is not None else parties_of(typed.by),
        about=searches.whom.ids if searches.whom is not None else parties_of(typed.about),
    )


def _by_day(entries: Sequence[AuditEntry], time_zone: str) -> list[tuple[date, list[AuditEntry]]]:
    zone = ZoneInfo(time_zone)
    return [
        (day, list(of_day)) for day, of_day in groupby(entries, lambda entry: entry.created_at.astimezone(zone).date())
    ]


def _found(
    people: Mapping[int, str], keys: Mapping[int, str], students: Mapping[int, str], *, is_cut: bool
) -> FoundParties:
    kinds = {"person": people, "key": keys, "student": students}
    parties = [Party(f"{kind}-{id_}", name) for kind, names in kinds.items() for id_, name in names.items()]
    ids = Parties(tuple(sorted(people)), tuple(sorted(keys)), tuple(sorted(students)))
    return FoundParties(sorted(parties, key=lambda party: (folded(party.name), party.code)), ids, is_cut)


def _is_mentioned(words: str, name: str) -> bool:
    text = " ".join(search_spellings(name))
    return all(any(spelling in text for spelling in search_spellings(word)) for word in search_words(words))
