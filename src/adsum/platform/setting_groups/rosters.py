"""Settings of new schools, and of the service with which rosters are synced."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from adsum.platform.setting_files import PREFIX
from adsum.platform.setting_groups.values import ServiceAddress
from adsum.platform.time_zones import known_time_zone


class RosterSettings(BaseSettings):
    """New schools, and the sync of rosters."""

    timezone: Annotated[
        Annotated[str, AfterValidator(known_time_zone)] | None,
        Field(description="The IANA time zone of new schools. Unset: UTC, with a warning of the import."),
    ] = None
    roster_sync_url: Annotated[
        ServiceAddress | None,
        Field(
            description="The OneRoster 1.2 REST service with which `adsum roster sync` [syncs]"
            "(../how-to/sync-a-roster.md): the address before `/users`, such as "
            "`https://sis.example/ims/oneroster/rostering/v1p2`."
        ),
    ] = None
    roster_sync_token_url: Annotated[
        ServiceAddress | None,
        Field(description="The token endpoint of that service (OAuth 2 client credentials)."),
    ] = None
    roster_sync_client_id: Annotated[
        Annotated[str, Field(max_length=255)] | None, Field(description="The id of Adsum at that service.")
    ] = None
    roster_sync_client_secret: Annotated[
        Annotated[SecretStr, Field(min_length=1, max_length=1_000)] | None,
        Field(description="The secret of Adsum at that service. A file is the best place."),
    ] = None
    roster_sync_scope: Annotated[
        str,
        Field(max_length=1_000, description="The scopes that Adsum asks for, separated by blanks."),
    ] = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
    roster_sync_interval: Annotated[
        int,
        Field(
            ge=0,
            le=30 * 86400,
            description="Seconds between two syncs by a worker. 0: workers do not sync, only `adsum roster sync` does.",
        ),
    ] = 0
    roster_sync_full_interval: Annotated[
        int,
        Field(
            ge=0,
            le=366 * 86400,
            description="Seconds after which a sync by a worker reads everything instead of the changes.",
        ),
    ] = 86400

    @model_validator(mode="after")
    def _has_everything_for_syncs(self) -> Self:
        names = ("url", "token_url", "client_id", "client_secret")
        missing = [f"{PREFIX}ROSTER_SYNC_{name.upper()}" for name in names if not getattr(self, f"roster_sync_{name}")]
        if self.roster_sync_interval and missing:
            raise ValueError(f"{PREFIX}ROSTER_SYNC_INTERVAL: a sync needs {', '.join(missing)}")
        return self
