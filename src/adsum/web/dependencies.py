"""What an endpoint may ask for by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from adsum.wiring import Adsum


async def _open_adsum(request: Request) -> Adsum:  # not `def`, which FastAPI would run in a thread
    adsum = request.app.state.adsum
    assert isinstance(adsum, Adsum)
    return adsum


OpenAdsum = Annotated[Adsum, Depends(_open_adsum)]
"""Everything that this process has open: settings, database, services."""
