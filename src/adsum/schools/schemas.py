"""Wire format of schools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, LiteralString, cast

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from adsum.platform.http.schemas import Flag, Moment, PlainText, Schema, SentSchema
from adsum.platform.time_zones import validate_time_zone
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS, SchoolChange, SchoolSettings, weekdays_of, weekdays_text


def _listed(weekdays: object) -> object:
    return weekdays_of(weekdays) if isinstance(weekdays, str) else weekdays


class SchoolItem(Schema):
    """A school. `sourcedId` is its id in the roster file, `timeZone` an IANA name."""

    id: int
    sourced_id: Annotated[str | None, Field(validation_alias="source_id")]
    name: Annotated[str, Field(description="The name in the roster.")]
    time_zone: str
    edit_window_days: Annotated[
        int | None, Field(description="Days after which teachers no longer mark and correct a day; null: no limit.")
    ] = None
    missed_from_percent: Annotated[
        int | None, Field(description="Percent of the minutes from which a session counts as absent; null: none does.")
    ] = None
    weekdays: Annotated[Sequence[int], BeforeValidator(_listed), Field(description="1 is Monday.")] = (1, 2, 3, 4, 5)
    office_manages_logins: bool = False
    records_from: Annotated[
        date | None,
        Field(description="The records of the days before were deleted, by retention or with a year; null: of no day."),
    ] = None


def _known(name: str) -> str:
    for violation in validate_time_zone(name, ""):
        code, detail = cast("LiteralString", violation.code), cast("LiteralString", violation.detail)
        raise PydanticCustomError(code, detail, dict(violation.params))
    return name


TimeZoneName = Annotated[PlainText, Field(max_length=64, description="An IANA name."), AfterValidator(_known)]


class ChangeSchool(SentSchema):
    """Settings of a school to change; omitted ones stay."""

    time_zone: TimeZoneName | None = None
    edit_window_days: (
        Annotated[
            int,
            Field(
                ge=0,
                le=MAX_EDIT_WINDOW_DAYS,
                strict=True,
                description="Days after a learning date within which teachers may mark and correct; null: no limit.",
            ),
        ]
        | None
    ) = None
    missed_from_percent: (
        Annotated[
            int,
            Field(
                ge=1,
                le=100,
                strict=True,
                description="A session of which a student missed this percentage of the minutes counts as absent in "
                "reports; null: none does.",
            ),
        ]
        | None
    ) = None

    weekdays: (
        Annotated[
            Sequence[Annotated[int, Field(ge=1, le=7, strict=True)]],
            Field(
                min_length=1,
                max_length=7,
                description="The weekdays on which sessions without times meet; 1 is Monday.",
            ),
        ]
        | None
    ) = None

    office_manages_logins: (
        Annotated[
            Flag,
            Field(
                description="Whether the office manages the logins of teachers and viewers; changed by those who may "
                "manage the office."
            ),
        ]
        | None
    ) = None

    def to_settings(self) -> SchoolSettings:
        settings = SchoolSettings()
        if self.time_zone is not None:
            settings["time_zone"] = self.time_zone
        if "edit_window_days" in self.model_fields_set:
            settings["edit_window_days"] = self.edit_window_days
        if "missed_from_percent" in self.model_fields_set:
            settings["missed_from_percent"] = self.missed_from_percent
        if self.weekdays is not None:
            settings["weekdays"] = weekdays_text(self.weekdays)
        if self.office_manages_logins is not None:
            settings["office_manages_logins"] = self.office_manages_logins
        return settings


class SchoolChangeItem(Schema):
    """A change of one setting. From `changedAt` on the new value holds."""

    setting: Annotated[str, Field(description="The name of a field of the school.")]
    old_value: Annotated[
        Any,
        Field(description="The value before the change; null of a time zone that an import named."),
    ]
    new_value: Annotated[Any, Field(description="The value from `changedAt` on.")]
    changed_at: Moment
    changed_by_role: str
    changed_by_user_id: Annotated[int | None, Field(description="Null: a key without a person, or the command line.")]
    changed_by_key_id: int | None

    @classmethod
    def of(cls, change: SchoolChange) -> SchoolChangeItem:
        return cls(
            setting=to_camel(change.setting),
            old_value=_listed(change.old_value) if change.setting == "weekdays" else change.old_value,
            new_value=_listed(change.new_value) if change.setting == "weekdays" else change.new_value,
            changed_at=change.changed_at,
            changed_by_role=change.changed_role,
            changed_by_user_id=change.user_id,
            changed_by_key_id=change.key_id,
        )
