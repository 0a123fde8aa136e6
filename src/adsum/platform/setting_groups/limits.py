"""Settings of the limits of requests and connections."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """Limits of requests and connections."""

    max_body_bytes: Annotated[int, Field(ge=1024, description="The largest request body, in bytes.")] = 4 * 1024 * 1024
    max_import_bytes: Annotated[int, Field(ge=1024, description="The largest roster or attendance file, in bytes.")] = (
        64 * 1024 * 1024
    )
    rate_limit_key: Annotated[
        int, Field(ge=0, description="Requests of one API key in a minute. Further ones get 429. 0: any number.")
    ] = 60_000
    rate_limit_user: Annotated[int, Field(ge=0, description="Requests of one user in a minute. 0: any number.")] = (
        60_000
    )
    rate_limit_address: Annotated[
        int,
        Field(
            ge=0,
            description="Requests without a caller from one address (one /64 of IPv6) in a minute, such as sign-ins. "
            "0: any number.",
        ),
    ] = 30_000
    rate_limit_costly: Annotated[
        int,
        Field(
            ge=0, description="Exports, imports, reports and replays of one API key or user in a minute. 0: any number."
        ),
    ] = 1_200
    database_connections: Annotated[
        int,
        Field(
            ge=2,
            le=500,
            description="Connections that one process opens to Postgres at most. All processes together need as many "
            "[as Postgres has](../how-to/run-in-production.md#connections-to-postgres). SQLite has 10.",
        ),
    ] = 20
    max_connections: Annotated[
        int, Field(ge=10, description="Open connections of one API process. Further ones get 503.")
    ] = 2_000
    max_connections_per_address: Annotated[
        int,
        Field(
            ge=1,
            description="Open connections of one address (one /64 of IPv6) to one API process. Trusted proxies have no "
            "limit.",
        ),
    ] = 500
