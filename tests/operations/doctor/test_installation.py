"""Checks of this machine: the signing key, the permissions of files, the free disk space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adsum.accounts.passwords.breached import BreachedPasswords
from adsum.operations.doctor.environment import (
    Installation,
    check_installation,
    close_to_others,
    free_bytes,
    open_to_others,
)
from adsum.operations.doctor.findings import FIX, Finding
from adsum.platform.errors import ConfigurationError
from adsum.platform.signing_keys import SigningKey, parse_keys

GIB = 1024**3

KEYS = parse_keys(f"{'n' * 40}, {'o' * 40} until 2027-01-31T00:00:00Z")


def checked(installation: Installation, free_space: int = 100 * GIB) -> dict[str, Finding]:
    return {each.check: each for each in check_installation(installation, lambda _: free_space)}


def installation(folder: Path, keys: tuple[SigningKey, ...] = KEYS) -> Installation:
    return Installation((folder, folder / "secret.key", folder / "missing"), folder, lambda: keys, "adsum up")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "secret.key").touch(mode=0o600)
    return tmp_path / "data"


def test_a_private_folder_has_no_fault(folder: Path) -> None:
    assert {each.severity.value for each in checked(installation(folder)).values()} == {"ok"}


def test_the_signing_key_is_named_without_its_text(folder: Path) -> None:
    assert checked(installation(folder))["signing key"].message == f"{KEYS[0].id} signs; 1 other key"


def test_a_missing_signing_key_is_an_error_with_the_command_that_creates_one(folder: Path) -> None:
    finding = checked(installation(folder, keys=()))["signing key"]
    assert (finding.severity.value, finding.remedy) == ("error", "adsum up")


def test_an_unreadable_signing_key_is_reported(folder: Path) -> None:
    def unreadable() -> tuple[SigningKey, ...]:
        raise ConfigurationError("cannot read it")

    finding = checked(Installation((), None, unreadable, "adsum up"))["signing key"]
    assert (finding.severity.value, finding.message) == ("error", "cannot read it")


def test_files_that_others_can_read_are_reported_and_closed(folder: Path) -> None:
    secret = folder / "secret.key"
    secret.chmod(0o644)
    finding = checked(installation(folder))["permissions"]
    assert (finding.severity.value, finding.remedy) == ("error", FIX)
    assert str(secret) in finding.message
    assert close_to_others(open_to_others(installation(folder))) == [secret]
    assert secret.stat().st_mode & 0o777 == 0o600
    assert checked(installation(folder))["permissions"].severity.value == "ok"


def test_files_of_another_user_are_left_unchanged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: int) -> None:
        raise PermissionError

    (folder / "secret.key").chmod(0o644)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert close_to_others(open_to_others(installation(folder))) == []


@pytest.mark.parametrize(("free_space", "severity"), [(2 * GIB, "ok"), (GIB // 2, "warning"), (GIB // 10, "error")])
def test_low_disk_space_is_reported(folder: Path, free_space: int, severity: str) -> None:
    assert checked(installation(folder), free_space)["disk"].severity.value == severity
    assert free_bytes(folder) > 0


def test_a_disk_without_data_is_skipped(folder: Path) -> None:
    assert "disk" not in checked(Installation((), None, lambda: KEYS, ""))
    assert "disk" not in checked(Installation((), folder / "missing", lambda: KEYS, ""))


def test_a_list_of_breached_passwords_that_cannot_be_used_is_an_error(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "pwned.txt"
    known = replace(installation(folder), breached=BreachedPasswords(path))
    assert "breached list" not in checked(installation(folder))
    assert checked(known)["breached list"].severity.value == "error"
    path.write_text(f"{1:040X}:1\n{2:040X}:7\n")
    assert checked(known)["breached list"].severity.value == "ok"
