"""The measured costs of Adsum, in `docs/capacity.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.servers import ROOT

FILE = ROOT / "docs" / "capacity.json"
# Classes a second while the network is counted.
NETWORK_RATE = 120


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians of one measurement, on the machine that is named. Per class of 30, unless another unit is named.

    Attributes:
        when, machine, versions: circumstances, for the reader.
        rounds: measured rounds.
        accept_lone, accept_flood: CPU seconds by part of accepting, without a worker: one client, 64 clients.
        record_flood: CPU seconds by part of recording what is queued, without requests.
        lone: CPU seconds by part from a POST to completed, one class at a time.
        accepted_s, recorded_s: percentiles (0 to 100) of the seconds from a POST to its answer, and from there to
            completed, one class at a time.
        network: bytes by connection, such as `client to api`.
        wal, storage: bytes of WAL and of the database.
        tables: bytes by table with its indexes.
        marker, waiting: bytes in Valkey of a completed and of a waiting class.
        memory: resident megabytes by part, after the load.
        served: what the simulation has to reproduce: attendances a second with 64 clients, and latencies and CPU in ms
            by rate.
    """

    when: str
    machine: str
    versions: str
    rounds: int
    accept_lone: dict[str, float]
    accept_flood: dict[str, float]
    record_flood: dict[str, float]
    lone: dict[str, float]
    accepted_s: list[float]
    recorded_s: list[float]
    network: dict[str, float]
    wal: float
    storage: float
    tables: dict[str, float]
    marker: float
    waiting: float
    memory: dict[str, float]
    served: dict[str, float]


def load(file: Path = FILE) -> Costs:
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Costs(**values)


def save(costs: Costs, file: Path = FILE) -> None:
    """Writes numbers with four significant digits, and a line for each value of `Costs`."""
    values = json.loads(json.dumps(asdict(costs)), parse_float=lambda text: float(f"{float(text):.4g}"))
    lines = (f'  "{name}": {json.dumps(value)}' for name, value in values.items())
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
