"""Tests the measurement and the page of the capacity plan."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.capacity import measured, report
from benchmarks.capacity.relay import Relay, relayed_port


async def test_a_relay_counts_the_bytes_of_both_directions(tmp_path: Path) -> None:
    async def answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(2 * await reader.readexactly(3))
        writer.close()

    async with await asyncio.start_unix_server(answer_twice, tmp_path / "socket"):
        relay = Relay(tmp_path / "socket")
        inner = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
        async with inner, relayed_port(inner.sockets[0].getsockname()[1]) as (outer, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"abc")
            assert await reader.read() == b"abcabc"
            writer.close()
            assert (relay.count, outer.count) == (9, 9)


def test_costs_are_stored_with_four_digits(tmp_path: Path) -> None:
    costs = measured.load()
    measured.save(costs, tmp_path / "costs.json")
    assert measured.load(tmp_path / "costs.json") == costs


def test_the_page_has_the_stored_costs() -> None:
    assert "".join(report.costs_section(measured.load())) in report.PAGE.read_text(encoding="utf-8")


@pytest.mark.long
def test_the_simulation_is_compared_at_each_rate_that_adsum_keeps_up_with() -> None:
    costs = measured.load()
    names = [name for name, _, _ in report.comparison(costs)]
    assert names[0] == "64 clients, attendances/s"
    assert len(names) == 1 + 5 * len({name.split()[0] for name in names[1:]})
