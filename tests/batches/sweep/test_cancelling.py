"""Cancels a run of three chunks after its first chunk."""

from __future__ import annotations

from adsum.batches.queue.chunks import chunks_of
from adsum.batches.repository import runs
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.runs import batch_of


async def test_cancelling_keeps_records_and_counts_pending_jobs_as_cancelled(adsum: Adsum, api: Api) -> None:
    created = (await api.create()).json()
    async with adsum.database.snapshot() as connection:
        run = await runs.open_run(connection, batch_of(api.school))
    assert run is not None
    await adsum.processor.process(chunks_of(run)[:1])
    cancelled = (await api.post(f"/attendances/batches/{created['batchId']}/cancel", None, "teacher")).json()
    await adsum.processor.process(chunks_of(run))
    assert (cancelled["recordedJobs"], cancelled["cancelledJobs"]) == (10, 20)
    assert len(await api.statuses()) == 10
    assert (await api.get(created["statusUrl"])).json() == cancelled
