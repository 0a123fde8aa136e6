"""`adsum signing-key`: the file of the keys before, during and after a rotation."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adsum.operations.signing_keys.rotation import RotationRefused, rotate
from adsum.platform.keys import KeyFile, KeyPurpose, KeyRing
from adsum.platform.signing_keys import SigningKey, parse_keys
from tests.support.commands import commands

OLD = "o" * 40
NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
KEEP = timedelta(days=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "secret.key"
    made.write_text(OLD)
    made.chmod(0o640)
    return made


def test_a_new_key_signs_and_the_one_before_verifies_for_a_while(path: Path) -> None:
    ring = KeyRing(KeyFile(path), lambda: NOW)
    before = ring.derive(KeyPurpose.TOKENS)
    new, old = rotate(path, KEEP, NOW)
    assert (old.secret, old.ends_at, new.ends_at) == (OLD, NOW + KEEP, None)
    assert parse_keys(path.read_text()) == (new, old)
    assert ring.derive(KeyPurpose.TOKENS).key_id == new.id
    found = ring.find(KeyPurpose.TOKENS, before.key_id)
    assert found is not None
    assert found.secret == before.secret


def test_the_file_keeps_its_permissions_and_its_link_and_nothing_is_left_beside_it(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    rotate(link, KEEP, NOW)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {each.name for each in tmp_path.iterdir()} == {"secret.key", "link"}


def test_no_earlier_key_outlives_the_key_before(path: Path) -> None:
    ended = SigningKey("e" * 40, NOW - KEEP)
    path.write_text(f"{OLD}\n{ended.secret} until {(NOW - KEEP).isoformat()}\n{'p' * 40}")
    assert rotate(path, KEEP, NOW)[1:] == (SigningKey(OLD, NOW + KEEP), ended, SigningKey("p" * 40, NOW + KEEP))
    assert {key.ends_at for key in rotate(path, timedelta(0), NOW)} == {None, NOW, NOW - KEEP}


def test_rotations_at_once_lose_no_key(path: Path) -> None:
    threads = [threading.Thread(target=rotate, args=(path, KEEP, NOW)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = parse_keys(path.read_text())
    assert len(keys) == 9
    assert keys[-1].secret == OLD


@pytest.mark.parametrize(("text", "why"), [(None, "there is no key"), ("short", "key 1: it is shorter"), ("", "wrong")])
def test_a_file_without_a_right_key_is_refused_and_stays(path: Path, text: str | None, why: str) -> None:
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(RotationRefused, match=why):
        rotate(path, KEEP, NOW)
    assert (path.read_text() if path.exists() else None) == text


def test_a_file_that_cannot_be_read_or_written_is_refused(path: Path) -> None:
    path.unlink()
    path.mkdir()
    with pytest.raises(RotationRefused, match="cannot be written: Is a directory"):
        rotate(path, KEEP, NOW)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RotationRefused, match="there is no folder"):
        rotate(tmp_path / "missing" / "secret.key", KEEP, NOW)


def test_the_commands_show_ids_and_never_a_key(path: Path, tmp_path: Path) -> None:
    adsum = commands(data_dir=str(tmp_path), secret_key="")
    rotated = adsum.output("signing-key", "rotate", "--json")
    ended = adsum.output("signing-key", "rotate", "--keep", "0s", "--json")
    listed = adsum.output("signing-key", "list", "--json")
    keys = parse_keys(path.read_text())
    assert listed == ended
    assert [each["state"] for each in json.loads(rotated)] == ["signs", "verifies"]
    assert [(each["id"], each["state"]) for each in json.loads(listed)] == [
        (keys[0].id, "signs"),
        (keys[1].id, "ended"),
        (keys[2].id, "ended"),
    ]
    assert not any(key.secret in listed for key in keys)


def test_keys_in_the_environment_are_not_rotated() -> None:
    ended = commands().run("signing-key", "rotate")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "ADSUM_SIGNING_KEYS_FILE" in ended.stderr


@pytest.mark.parametrize("keep", ["-1d", "30", "367d", "1y", ""])
def test_a_wrong_overlap_is_refused(path: Path, tmp_path: Path, keep: str) -> None:
    ended = commands(data_dir=str(tmp_path), secret_key="").run("signing-key", "rotate", f"--keep={keep}")
    assert ended.returncode == 2
    assert path.read_text() == OLD
