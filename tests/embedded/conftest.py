"""A data folder as `up` leaves one, to be backed up, and a place to restore it to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adsum.embedded.data_folder import DataFolder


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> DataFolder:
    """As `up` leaves one: a database, a secret, accounts, and Valkey's files."""
    made = DataFolder(tmp_path / "data")
    made.create()
    shutil.copyfile(sqlite_template, made.database)
    made.ensure_secret()
    made.keep_credentials({"admin@school.example": "a-password"})
    (made.valkey / "appendonly.aof").write_text("what waits")
    return made


@pytest.fixture
def other(tmp_path: Path) -> DataFolder:
    """A folder that is not there yet."""
    return DataFolder(tmp_path / "other")
