"""The contacts of a student in the API and in `--json`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.platform.http.schemas import Schema


class StudentContactItem(Schema):
    """A guardian, parent or relative of a student, as the roster names them."""

    source_id: Annotated[str, Field(alias="sourcedId")]
    role: Annotated[str, Field(description="`guardian`, `parent` or `relative`.")]
    given_name: str
    family_name: str
    phone: str | None
    sms: Annotated[str | None, Field(description="The number for text messages; null: none.")]
    email: Annotated[str | None, Field(description="An email address of the roster; null: none.")]


class StudentContactsAnswer(Schema):
    """The contacts of a student: first those with a phone number."""

    items: Annotated[list[StudentContactItem], Field(description="The contacts, those with a phone number first.")]
