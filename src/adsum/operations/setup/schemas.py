"""The models of the setup of a school."""

from __future__ import annotations

from adsum.operations.setup.rules import Setup, Step, StepState
from adsum.platform.http.schemas import Flag, Schema, SentSchema


class SetupStepItem(Schema):
    """A step. `done`: Adsum sees it; `confirmed`: somebody says that it is done or not needed."""

    step: Step
    state: StepState


class SetupItem(Schema):
    """The checklist of a school, in the order of its steps. `isDismissed`: the start page does not show it."""

    school_id: int
    steps: list[SetupStepItem]
    is_complete: bool
    is_dismissed: bool

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

    confirmed: Flag


class SentSetup(SentSchema):
    """Whether the checklist is dismissed."""

    dismissed: Flag
