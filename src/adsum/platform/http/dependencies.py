"""The dependencies of endpoints: the service that an endpoint calls, the current time, the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from adsum.platform.services import Services
from adsum.platform.settings import Settings

Service = TypeVar("Service")


def provided(kind: type[Service]) -> Callable[[Request], Awaitable[Service]]:
    """The dependency on the service of a type: `Annotated[Registers, Depends(provided(Registers))]`."""

    async def service(request: Request) -> Service:  # with `def`, FastAPI would run it in a thread
        return services_of(request)[kind]

    return service


async def _current_time(request: Request) -> datetime:
    return services_of(request).clock()


async def _current_settings(request: Request) -> Settings:
    return services_of(request).settings


Now = Annotated[datetime, Depends(_current_time)]
"""The time of the request."""

CurrentSettings = Annotated[Settings, Depends(_current_settings)]
"""The settings of this process."""


def services_of(request: Request) -> Services:
    """The open services of the process that answers this request."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services
