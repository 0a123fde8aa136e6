"""The models of the setup of a school."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.operations.setup.rules import Setup, Step, StepState
from adsum.platform.http.schemas import Flag, Schema, SentSchema


class SetupStepItem(Schema):
    """A step. `done`: Adsum sees it; `confirmed`: somebody says that it is done or not needed."""

    step: Annotated[Step, Field(description="The step of the setup.")]
    state: Annotated[
        StepState,
        Field(description="`open`; `done`, which Adsum sees; or `confirmed`: done or not needed, as somebody says."),
    ]


class SetupItem(Schema):
    """The checklist of a school, in the order of its steps. `isDismissed`: the start page does not show it."""

    school_id: int
    steps: Annotated[list[SetupStepItem], Field(description="The steps, in the order in which they are best taken.")]
    is_complete: Annotated[bool, Field(description="Whether no step is `open`.")]
    is_dismissed: Annotated[bool, Field(description="Whether the start page hides the checklist.")]

    @classmethod
    def of(cls, setup: Setup) -> SetupItem:
        return cls(
            school_id=setup.school_id,
            steps=[SetupStepItem(step=step, state=state) for step, state in setup.steps.items()],
            is_complete=setup.is_complete,
            is_dismissed=setup.is_dismissed,
        )


class SentStep(SentSchema):
    """Whether a step is confirmed."""

    confirmed: Annotated[Flag, Field(description="`true`: done, or not needed. `false`: no longer.")]


class SentSetup(SentSchema):
    """Whether the checklist is dismissed."""

    dismissed: Annotated[Flag, Field(description="`true` hides the checklist on the start page of admins.")]
