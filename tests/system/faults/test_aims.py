"""Faults that are aimed at steps of chunks meet workers that have a chunk, at each of its steps."""

from __future__ import annotations

from functools import partial
from hashlib import sha1
from importlib.resources import files

from tests.support.servers.counting import Moment
from tests.support.servers.wire import RedisWire
from tests.support.waiting import until
from tests.system.faults.aims import Aim, Strike, aims_of, are_released, strike_at
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.disruptions import Site, under_load
from tests.system.faults.installation import Member

# A sweep, or a worker with a shared statement, may reach a step without a chunk.
TRIES = 5


async def test_each_aim_meets_a_worker_that_has_a_chunk(new_installation: NewInstallation, share: int) -> None:
    async with new_installation() as installation, under_load(installation, corrects=True) as site:
        points = [(aim, moment) for aim in aims_of(installation) for moment in aim.moments]
        for aim, moment in points[::share]:
            assert (await met(site, aim, moment)).step == aim.step


async def met(site: Site, aim: Aim, moment: Moment) -> Strike:
    """Kills workers at a step until one had a chunk, which another worker then finishes."""
    for _ in range(TRIES):
        struck = await strike_at(aim, moment, site.installation, [site.worker], Member.kill)
        if struck is not None:
            await site.replace_worker()
        if struck is not None and struck.chunks:
            await until(partial(are_released, site.installation, struck.chunks))
            return struck
    raise AssertionError(f"no worker with a chunk reached {aim.step}, {moment.value}")


async def test_a_worker_that_is_frozen_with_a_chunk_continues_its_step(
    new_installation: NewInstallation, share: int
) -> None:
    async with new_installation() as installation, under_load(installation, corrects=True) as site:
        for aim in aims_of(installation)[::share]:
            moment = aim.moments[-1]
            struck = await strike_at(aim, moment, installation, [site.worker], Member.freeze, breaks=False)
            assert struck is not None
            struck.resume()
            await until(partial(are_released, installation, struck.chunks))
            assert site.worker.is_alive


def test_a_step_of_a_script_names_its_queue() -> None:
    bullmq = files("bullmq").joinpath("commands", "moveToActive-11.lua").read_bytes()
    words = ["EVALSHA", sha1(bullmq, usedforsecurity=False).hexdigest(), "1", "bull:attendance-webhooks:wait", "token"]
    sent = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    ((_, name),) = RedisWire().split_requests(sent.encode())
    assert name == "EVALSHA moveToActive bull:attendance-webhooks:wait"


async def test_only_steps_of_the_queue_of_attendance_are_aimed_at(new_installation: NewInstallation) -> None:
    async with new_installation() as installation:
        fetch, *_, finish = aims_of(installation)
    assert (fetch.named, finish.named) == (
        "moveToActive installation1:bull:attendance:",
        "moveToFinished installation1:bull:attendance:",
    )
