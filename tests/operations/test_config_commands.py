from __future__ import annotations

import json
from pathlib import Path

import pytest

from adsum.operations.commands import masked_url
from adsum.platform.settings import Settings
from tests.support.commands import commands


def test_every_setting_is_shown_with_its_origin_and_without_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ADSUM_PORT=8123\n")
    (tmp_path / "redis").write_text("redis://:hunter2@redis.example:6379/0\n")
    adsum = commands(
        database_url="postgresql://adsum:hunter2@db.example/adsum?sslmode=require", secret_key="hunter2" * 6
    )
    shown = adsum.output("config", "show", "--json", ADSUM_REDIS_URL_FILE=str(tmp_path / "redis"))
    assert "hunter2" not in shown
    found = {row["name"]: (row["value"], row["origin"]) for row in json.loads(shown)}
    assert len(found) == len(Settings.model_fields)
    assert found["ADSUM_DATABASE_URL"] == (
        "postgresql://adsum:********@db.example/adsum?sslmode=require",
        "environment",
    )
    assert found["ADSUM_REDIS_URL"] == ("redis://:********@redis.example:6379/0", "file")
    assert found["ADSUM_SECRET_KEY"] == ("********", "environment")
    assert found["ADSUM_PORT"] == (8123, ".env")
    assert found["ADSUM_CHUNK_SIZE"] == (500, "default")


def test_a_file_that_is_larger_than_any_value_is_not_read(tmp_path: Path) -> None:
    """An operator may think that ADSUM_BREACHED_PASSWORDS_FILE names the list."""
    with (tmp_path / "pwned.txt").open("wb") as file:
        file.truncate(2**36)
    failed = commands().run("config", "show", ADSUM_BREACHED_PASSWORDS_FILE=str(tmp_path / "pwned.txt"))
    assert failed.returncode != 0
    assert "ADSUM_BREACHED_PASSWORDS_FILE: " in failed.stderr
    assert "is larger than any value of ADSUM_BREACHED_PASSWORDS" in failed.stderr


def test_outside_a_terminal_each_setting_is_one_line() -> None:
    lines = commands().output("config", "show").splitlines()
    assert len(lines) == len(Settings.model_fields) + 1
    assert lines[0].split() == ["Name", "Value", "Origin"]


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("sqlite:////srv/adsum.db", "sqlite:////srv/adsum.db"),
        ("unix:///run/valkey.sock?password=hunter2&db=1", "unix:///run/valkey.sock?password=********&db=1"),
        ("postgresql://u:p@ss:w@h/db", "postgresql://u:********@h/db"),
        ("postgresql://u:p/w@h/db?sslPassword=x", "postgresql://u:********@h/db?sslPassword=********"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
    ],
)
def test_a_password_is_masked_anywhere_in_a_url(url: str, masked: str) -> None:
    assert masked_url(url) == masked
