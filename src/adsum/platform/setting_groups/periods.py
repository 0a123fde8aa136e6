"""Settings of the periods for which data are kept, and of the minutes after which something is late."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from adsum.platform.setting_files import PREFIX


class PeriodSettings(BaseSettings):
    """Periods of data, and minutes of announcements."""

    keep_runs_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="Days after which an ended run is reduced to its counts. 0: runs are kept permanently.",
        ),
    ] = 400
    keep_events_days: Annotated[
        int,
        Field(
            ge=1,
            le=3_650,
            description="Days for which the feed of events reaches back. At most ADSUM_KEEP_RUNS_DAYS.",
        ),
    ] = 30
    register_missing_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=1_440,
            description="Minutes after the beginning of a session after which its register is reported as missing, "
            "by an event. 0: never.",
        ),
    ] = 30
    unexplained_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=1_440,
            description="Minutes after the mark of an unexplained absence after which the student is reported, "
            "by an event. 0: never.",
        ),
    ] = 60
    keep_audit_years: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Years after which an entry of the audit log is removed. 0: entries are kept permanently.",
        ),
    ] = 0

    @model_validator(mode="after")
    def _keeps_runs_of_events(self) -> Self:
        if 0 < self.keep_runs_days < self.keep_events_days:
            raise ValueError(
                f"{PREFIX}KEEP_EVENTS_DAYS: may not exceed {PREFIX}KEEP_RUNS_DAYS, since events about a batch are read "
                "from its run"
            )
        return self
