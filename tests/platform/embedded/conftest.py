"""Fixtures for tests of backups: a data folder as `up` leaves it, and the path of a restored one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adsum.platform.embedded.data_folder import DataFolder


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> DataFolder:
    """A data folder as `up` leaves it: a database, a secret, accounts, and Valkey's files."""
    made = DataFolder(tmp_path / "data")
    made.create()
    shutil.copy(sqlite_template, made.database)
    made.ensure_secret()
    made.keep_credentials({"admin@school.example": "a-password"})
    (made.valkey / "appendonly.aof").write_text("what waits")
    return made


@pytest.fixture
def other(tmp_path: Path) -> DataFolder:
    """The path of a folder that does not exist."""
    return DataFolder(tmp_path / "other")
