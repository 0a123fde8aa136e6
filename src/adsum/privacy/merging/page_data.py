"""Collects the data of the page that merges two records of one student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adsum.accounts.access import Caller
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.errors import AdsumError, Conflict, Invalid
from adsum.platform.paging import PageRequest
from adsum.privacy.merging.rules import Merge, MergeChoices
from adsum.privacy.merging.service import StudentMerges
from adsum.roster.rules import NamedIds, Names, StudentFilters, StudentRow
from adsum.roster.service import Directory, Naming
from adsum.schools.rules import School
from adsum.schools.service import Schools

FOUND_AT_ONCE = 30


@dataclass(frozen=True, slots=True)
class MergeView:
    """The two records, and the effect of their merge.

    Attributes:
        found: students who match the words; `has_more`: others match, too.
        chosen: the records that were chosen, by id.
        schools: by id, of all students above.
        preview: what would move, if both records are chosen and can be merged; `refusal`: why they cannot.
        merges: earlier merges into the chosen student.
        statuses: of the schools of the doubles, by code.
        names: of the authors of merges.
    """

    found: Sequence[StudentRow]
    has_more: bool
    chosen: Mapping[int, StudentRow]
    schools: Mapping[int, School]
    preview: Merge | None
    refusal: AdsumError | None
    merges: Sequence[Merge]
    statuses: Mapping[str, ShownStatus]
    names: Names


class MergePageData:
    """Finds students, previews and merges."""

    def __init__(
        self, merges: StudentMerges, directory: Directory, schools: Schools, statuses: Statuses, naming: Naming
    ) -> None:
        self._directory = directory
        self._merges = merges
        self._naming = naming
        self._schools = schools
        self._statuses = statuses
        self.merge = merges.merge

    async def view(
        self, words: str, keep: int | None, remove: int | None, choices: MergeChoices, caller: Caller
    ) -> MergeView:
        """The page. Raises NotFound: a chosen record does not exist, or the caller does not see it."""
        ids = [student_id for student_id in (keep, remove) if student_id is not None]
        chosen = {student_id: await self._directory.find_student(caller, student_id) for student_id in ids}
        found, has_more = await self._find(words, caller)
        preview, refusal = None, None
        if keep is not None and remove is not None:
            preview, refusal = await self._preview(keep, remove, choices, caller)
        merges: Sequence[Merge] = await self._merges.merges(keep, caller) if keep is not None else ()
        school_ids = {each.school_id for each in (*found, *chosen.values())}
        schools = {school_id: await self._schools.find(school_id, caller) for school_id in sorted(school_ids)}
        statuses: dict[str, ShownStatus] = {}
        for school_id in sorted({each.school_id for each in chosen.values()}):
            statuses |= shown_statuses(await self._statuses.all_of(school_id, caller))
        authors = {merge.user_id for merge in merges if merge.user_id is not None}
        names = await self._naming.names_of(NamedIds(people=authors), caller)
        return MergeView(found, has_more, chosen, schools, preview, refusal, merges, statuses, names)

    async def _preview(
        self, keep: int, remove: int, choices: MergeChoices, caller: Caller
    ) -> tuple[Merge | None, AdsumError | None]:
        """The preview of the merge, and a refusal. Impossible choices are refused and left out."""
        refusal = None
        for each in (choices, replace(choices, single=())):
            try:
                return await self._merges.preview(keep, remove, each, caller), refusal
            except (Invalid, Conflict) as error:
                refusal = refusal or error
        return None, refusal

    async def _find(self, words: str, caller: Caller) -> tuple[Sequence[StudentRow], bool]:
        if not words:
            return [], False
        page = await self._directory.students(caller, StudentFilters(words=words), PageRequest(limit=FOUND_AT_ONCE))
        return page.items, page.next_cursor is not None
