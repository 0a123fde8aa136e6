"""The models of the search."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.platform.http.queries import Words
from adsum.platform.http.schemas import Schema, SentSchema
from adsum.roster.people.schemas import UserItem
from adsum.roster.schemas import ClassItem, StudentItem
from adsum.roster.search.rules import MAX_HITS, Hits

DEFAULT_HITS = 10


class SentSearch(SentSchema):
    """Words that each have to occur, and how many hits of each kind are returned."""

    q: Annotated[Words, Field(min_length=1, description="Words of names, titles and ids, however accented.")]
    limit: Annotated[int, Field(ge=1, le=MAX_HITS, strict=True, description="Maximum number of hits of each kind.")] = (
        DEFAULT_HITS
    )


class StudentHits(Schema):
    """Students, the best match first. `hasMore`: there are others."""

    items: Annotated[list[StudentItem], Field(description="The best matches, the best first.")]
    has_more: bool


class ClassHits(Schema):
    """Classes, the best match first."""

    items: Annotated[list[ClassItem], Field(description="The best matches, the best first.")]
    has_more: bool


class UserHits(Schema):
    """Users, the best match first; without `user:manage` none."""

    items: Annotated[list[UserItem], Field(description="The best matches, the best first.")]
    has_more: bool


class SearchAnswer(Schema):
    """The hits of a search."""

    students: Annotated[StudentHits, Field(description="Students whose names or ids match.")]
    classes: Annotated[ClassHits, Field(description="Classes whose titles, codes or ids match.")]
    users: Annotated[UserHits, Field(description="Users whose names or emails match; none without `user:manage`.")]

    @classmethod
    def of(cls, hits: Hits) -> SearchAnswer:
        return cls(
            students=StudentHits(
                items=[StudentItem.of(row) for row in hits.students.rows], has_more=hits.students.has_more
            ),
            classes=ClassHits(items=[ClassItem.of(row) for row in hits.classes.rows], has_more=hits.classes.has_more),
            users=UserHits(
                items=[UserItem.model_validate(row) for row in hits.people.rows], has_more=hits.people.has_more
            ),
        )
