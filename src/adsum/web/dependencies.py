"""What an endpoint may ask for by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from adsum.wiring import Adsum


def adsum_of(request: Request) -> Adsum:
    """What the process that answers this request has open."""
    adsum = request.app.state.adsum
    assert isinstance(adsum, Adsum)
    return adsum


async def _open_adsum(request: Request) -> Adsum:  # not `def`, which FastAPI would run in a thread
    return adsum_of(request)


OpenAdsum = Annotated[Adsum, Depends(_open_adsum)]
"""Everything that this process has open: settings, database, services."""
