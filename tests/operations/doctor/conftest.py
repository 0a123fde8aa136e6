"""Fixtures for tests of the doctor: a deployment on real servers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from adsum.operations.doctor.findings import Finding, Severity
from adsum.operations.doctor.service import CheckReport, Doctor
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.settings import Settings


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Chunks of ten students."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
        data_dir=tmp_path / "data",
        chunk_size=10,
    )


@pytest.fixture
async def doctor(settings: Settings) -> AsyncGenerator[Doctor]:
    async with open_doctor(settings) as opened:
        yield opened


def wrong(report: CheckReport) -> dict[str, Finding]:
    """The faults by check."""
    return {each.check: each for each in report.findings if each.severity is not Severity.OK}


def severities(report: CheckReport) -> dict[str, str]:
    """The severities of the faults by check."""
    return {check: finding.severity.value for check, finding in wrong(report).items()}


async def repaired(doctor: Doctor) -> tuple[list[str], CheckReport]:
    """The repairs that were made, and the report after them."""
    return await doctor.repair(await doctor.check()), await doctor.check()
