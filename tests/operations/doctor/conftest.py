"""What the tests of the doctor share: everything wired on real servers, and a doctor who looks at it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from adsum.operations.doctor.findings import Finding, Severity
from adsum.operations.doctor.service import Doctor, Examination
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


def wrong(examination: Examination) -> dict[str, Finding]:
    """What is not as it should be, by its check."""
    return {each.check: each for each in examination.findings if each.severity is not Severity.OK}


def severities(examination: Examination) -> dict[str, str]:
    """How bad each thing is that is not as it should be."""
    return {check: finding.severity.value for check, finding in wrong(examination).items()}


async def mended(doctor: Doctor) -> tuple[list[str], Examination]:
    """What was mended, and what is found after it."""
    return await doctor.mend(await doctor.examine()), await doctor.examine()
