"""The models of classes, sessions and students."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.http.schemas import Schema
from adsum.roster.rules import ClassRow, SessionRow, StudentRow


class ClassItem(Schema):
    """A class. `sourcedId` is its id in the roster file."""

    id: int
    school_id: int
    sourced_id: str | None
    title: Annotated[str, Field(description="The title in the roster.")]
    code: Annotated[str | None, Field(description="The short name in the roster; null: none.")]
    active: bool

    @classmethod
    def of(cls, row: ClassRow) -> ClassItem:
        return cls(
            id=row.id,
            school_id=row.school_id,
            sourced_id=row.source_id,
            title=row.title,
            code=row.code,
            active=row.active,
        )


class SessionItem(Schema):
    """A session of a class. `period` is empty where the roster file names none."""

    id: int
    class_id: int
    period: Annotated[str, Field(description="The lesson in the roster, such as `2`; empty: the roster names none.")]
    title: Annotated[str, Field(description="The title in the roster.")]
    active: Annotated[bool, Field(description="Whether the newest roster file contains it.")]
    begin_date: Annotated[date | None, Field(description="First day on which it is valid; null: ever.")] = None
    end_date: Annotated[date | None, Field(description="Day after the last one; null: no end.")] = None

    @classmethod
    def of(cls, row: SessionRow) -> SessionItem:
        return cls.model_validate(row)


class StudentItem(Schema):
    """A student. `sourcedId` is their id in the roster file, `active` whether the newest one has them."""

    id: int
    school_id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    active: bool

    @classmethod
    def of(cls, row: StudentRow) -> StudentItem:
        return cls(
            id=row.id,
            school_id=row.school_id,
            sourced_id=row.source_id,
            given_name=row.given_name,
            family_name=row.family_name,
            grade=row.grade,
            active=row.active,
        )
