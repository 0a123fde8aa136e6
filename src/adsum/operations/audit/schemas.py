"""Wire format of the audit log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from pydantic import Field

from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.verification import LogFaultKind, Verification
from adsum.operations.audit.rules import AuditEntry, AuditFilters
from adsum.platform.files.csv_export import Cell
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Moment, Schema, SentMoment
from adsum.platform.ids import MAX_ID

Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class AuditItem(Schema):
    """One entry of the audit log.

    `callerRole` is `system` for the command line and the library, null if nobody has signed in. `osUser`: who has run
    the command. `schoolId`, `studentId`, `userId`, `keyId`: whom the action is about. `before` and `after`: the changed
    values, or the extent of the action. `position` and `hash`: in the chain; null for some seconds.
    """

    id: int
    position: Annotated[
        int | None,
        Field(description="The place in the chain, from 1; null for some seconds, until the entry is sealed."),
    ]
    hash: Annotated[
        str | None,
        Field(
            description="SHA-256 of the entry and the one before it, in hexadecimal; null until the entry is sealed."
        ),
    ]
    created_at: Moment
    action: Annotated[str, Field(description="The action, such as `user_added`.")]
    caller_role: str | None
    caller_user_id: Annotated[int | None, Field(description="The `id` of the user who acted; null: none.")]
    caller_key_id: int | None
    os_user: Annotated[
        str | None, Field(description="The account of the operating system that ran the command; null: not a command.")
    ]
    address: Annotated[str | None, Field(description="The IP address of the request; null: none.")]
    request_id: Annotated[str | None, Field(description="The `X-Request-ID` of the request; null: none.")]
    agent: Annotated[str | None, Field(description="The browser or program, as it names itself; null: none.")]
    school_id: Annotated[int | None, Field(description="The `id` of the school that the action is about; null: none.")]
    student_id: Annotated[
        int | None, Field(description="The `id` of the student whom the action is about; null: none.")
    ]
    user_id: Annotated[int | None, Field(description="The `id` of the user whom the action is about; null: none.")]
    key_id: Annotated[int | None, Field(description="The `id` of the API key that the action is about; null: none.")]
    before: Annotated[dict[str, Any] | None, Field(description="The values before the action; null: none.")]
    after: Annotated[
        dict[str, Any] | None, Field(description="The values after the action, or its extent; null: none.")
    ]


COLUMNS = tuple(str(field.alias) for field in AuditItem.model_fields.values())
_TEXTS = {"before": "before_text", "after": "after_text"}
_ATTRIBUTES = tuple(_TEXTS.get(name, name) for name in AuditItem.model_fields)


async def rows_of_cells(chunks: AsyncGenerator[Sequence[AuditEntry]]) -> AsyncGenerator[list[list[Cell]]]:
    """The rows of a file. `before` and `after` are JSON."""
    async for chunk in chunks:
        yield [[getattr(entry, name) for name in _ATTRIBUTES] for entry in chunk]


class AuditQuery(PageQuery):
    """The filters of `GET /audit`."""

    since: Annotated[SentMoment | None, Field(description="The earliest time, with an offset.")] = None
    until: Annotated[SentMoment | None, Field(description="The time after the last one, with an offset.")] = None
    action: Annotated[Action | None, Field(description="Only this action.")] = None
    user_id: Annotated[Id | None, Field(description="The user who acted, or whom the action is about.")] = None
    key_id: Annotated[Id | None, Field(description="The API key that acted, or that the action is about.")] = None
    student_id: Annotated[Id | None, Field(description="Only actions about this student.")] = None
    school_id: Annotated[Id | None, Field(description="Only actions about this school.")] = None

    @property
    def filters(self) -> AuditFilters:
        return AuditFilters(
            since=self.since,
            until=self.until,
            actions=() if self.action is None else (self.action,),
            user_id=self.user_id,
            key_id=self.key_id,
            student_id=self.student_id,
            school_id=self.school_id,
        )


class VerificationItem(Schema):
    """The result of a verification, as `adsum audit verify --json` prints it.

    `entries`: that were verified. `position`, `hash`: of the newest sealed entry. `prunedPosition`: of the last entry
    that was pruned. `problem`: the kind of the first fault, null without one; `wrongPosition` and `detail`: where and
    what it is. `unsealed`: entries that are not in the chain yet; `isSealingLate`: one of them for too long.
    """

    entries: int
    position: int
    hash: str
    pruned_position: int
    problem: LogFaultKind | None
    wrong_position: int | None
    detail: str | None
    unsealed: int
    is_sealing_late: bool

    @classmethod
    def of(cls, found: Verification) -> VerificationItem:
        problem = found.problem
        return cls(
            entries=found.entries,
            position=found.newest.position,
            hash=found.newest.hash,
            pruned_position=found.pruned.position,
            problem=None if problem is None else problem.kind,
            wrong_position=None if problem is None else problem.position,
            detail=None if problem is None else problem.detail,
            unsealed=found.unsealed,
            is_sealing_late=found.is_sealing_late,
        )
