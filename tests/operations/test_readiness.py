"""The start on a database that is missing or not migrated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adsum import wiring
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings


async def test_a_missing_database_is_named_and_not_created(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.db"
    settings = Settings(database_url=f"sqlite:///{file}", redis_url=f"unix://{tmp_path}/nowhere")
    async with wiring.open_adsum(settings) as adsum:
        with pytest.raises(ConfigurationError, match=f"there is no database {re.escape(str(file))}: start `adsum up`"):
            await adsum.readiness.require_current_schema()
    assert not file.exists()
