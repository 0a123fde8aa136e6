"""Encrypted backups: only the secret key opens them, and damage is found before anything is restored."""

from __future__ import annotations

import base64
import os
import tarfile
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import pyrage
import pytest
from pyrage import x25519

from adsum.platform.embedded import encryption
from adsum.platform.embedded.archive import BackupRefused
from adsum.platform.embedded.data_folder import DataFolder
from tests.platform.embedded.backups import make, put_back, schools, state, write_school

KEY = x25519.Identity.generate()
RECIPIENT = str(KEY.to_public())
MIB = 1024 * 1024


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """A file as `age-keygen` writes it."""
    path = tmp_path / "key.txt"
    path.write_text(f"# created: 2026-11-29T10:00:00Z\n# public key: {RECIPIENT}\n{KEY}\n")
    return path


@pytest.fixture
def archive(folder: DataFolder, tmp_path: Path) -> Path:
    write_school(folder.database, "Lindenhof")
    return make(folder, tmp_path / "backup.age", RECIPIENT).path


def test_an_encrypted_backup_is_restored_with_its_key(
    folder: DataFolder, other: DataFolder, archive: Path, identity: Path, tmp_path: Path
) -> None:
    put_back(other, archive, identity=identity)
    assert schools(other.database) == ["Lindenhof"]
    assert other.secret.read_text() == folder.secret.read_text()
    assert archive.stat().st_mode & 0o777 == 0o600
    assert b"Lindenhof" not in archive.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.age", "data", "key.txt", "other"]
    assert [each.name for each in other.root.iterdir() if each.name.startswith(".")] == []


def test_every_recipient_opens_the_file_and_it_is_a_plain_archive_inside(folder: DataFolder, tmp_path: Path) -> None:
    second = x25519.Identity.generate()
    made = make(folder, tmp_path / "backup.age", RECIPIENT, str(second.to_public())).path
    for each in (KEY, second):
        with tarfile.open(fileobj=BytesIO(pyrage.decrypt(made.read_bytes(), [each]))) as tar:
            assert tar.getnames() == ["manifest.json", "secret.key", "credentials.json", "adsum.db"]


def test_an_encrypted_backup_in_a_folder_is_named_so(folder: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    assert make(folder, tmp_path / "backups", RECIPIENT).path.name == "adsum-20261123-173000.tar.gz.age"


def test_an_armored_file_is_restored(other: DataFolder, archive: Path, identity: Path) -> None:
    plain = pyrage.decrypt(archive.read_bytes(), [KEY])
    archive.write_bytes(pyrage.encrypt(plain, [KEY.to_public()], armored=True))
    put_back(other, archive, identity=identity)
    assert schools(other.database) == ["Lindenhof"]


def test_without_the_right_key_nothing_is_restored(
    other: DataFolder, folder: DataFolder, archive: Path, identity: Path
) -> None:
    before = state(folder)
    with pytest.raises(BackupRefused, match="is encrypted: name the file with its secret key by --identity"):
        put_back(folder, archive, force=True)
    identity.write_text(f"{x25519.Identity.generate()}\n")
    with pytest.raises(BackupRefused, match="is not encrypted to this identity"):
        put_back(folder, archive, force=True, identity=identity)
    with pytest.raises(BackupRefused, match="is not encrypted to this identity"):
        put_back(other, archive, identity=identity)
    assert state(folder) == before
    assert not other.root.exists()


def test_a_file_that_was_changed_anywhere_or_cut_off_is_refused(
    folder: DataFolder, archive: Path, identity: Path
) -> None:
    whole, before = archive.read_bytes(), state(folder)
    at = {"tag": 0, "stanza": 60, "header": 200, "payload": len(whole) // 2, "end": len(whole) - 1}
    damaged = {name: whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for name, place in at.items()}
    cut = {length: whole[:length] for length in (0, 10, 100, 400, len(whole) // 2, len(whole) - 16, len(whole) - 1)}
    for content in (*damaged.values(), *cut.values(), whole + b"more", whole + whole):
        archive.write_bytes(content)
        with pytest.raises(BackupRefused):
            put_back(folder, archive, force=True, identity=identity)
        assert state(folder) == before


def test_pieces_of_a_file_that_are_left_out_repeated_or_exchanged_are_refused(tmp_path: Path) -> None:
    """age encrypts pieces of 64 KiB, which are followed by 16 bytes."""
    plain, made, back = tmp_path / "plain", tmp_path / "made.age", tmp_path / "back"
    plain.write_bytes(os.urandom(3 * 64 * 1024 + 1))
    encryption.encrypt_file(plain, made, [KEY.to_public()])
    size, whole = 64 * 1024 + 16, made.read_bytes()
    begin = len(whole) - 3 * size - 17
    header, *pieces = whole[:begin], *(whole[at : at + size] for at in range(begin, len(whole), size))
    first, second, third, last = pieces
    wrong = [
        (first, second, third),
        (second, third, last),
        (first, third, last),
        (first, first, second, third, last),
        (second, first, third, last),
        (first, second, third, last, last),
        (),
    ]
    for damaged in wrong:
        made.write_bytes(header + b"".join(damaged))
        with pytest.raises(BackupRefused, match="damaged or cut off"):
            encryption.decrypt_file(made, back, [KEY])
        back.unlink()
    made.write_bytes(header + b"".join(pieces))
    encryption.decrypt_file(made, back, [KEY])
    assert back.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("armored", [False, True])
def test_a_header_with_thousands_of_recipients_is_refused_before_it_is_read(
    archive: Path, tmp_path: Path, armored: bool
) -> None:
    whole = archive.read_bytes()
    first, rest = whole[:22], whole[22:]
    content = first + (b"-> X " + b"A" * 40 + b"\n\n") * 5_000 + rest
    if armored:
        content = b"-----BEGIN AGE ENCRYPTED FILE-----\n" + base64.encodebytes(content)
    archive.write_bytes(content)
    with pytest.raises(BackupRefused, match="its header does not end"):
        encryption.decrypt_file(archive, tmp_path / "plain", [KEY])


def test_an_armored_file_of_any_length_is_decrypted(tmp_path: Path) -> None:
    archive = tmp_path / "short.age"
    for length in range(12):
        plain = tmp_path / f"plain-{length}"
        archive.write_bytes(pyrage.encrypt(b"x" * length, [KEY.to_public()], armored=True))
        encryption.decrypt_file(archive, plain, [KEY])
        assert plain.read_bytes() == b"x" * length


def test_an_armored_file_with_other_characters_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "damaged.age"
    archive.write_bytes(b"-----BEGIN AGE ENCRYPTED FILE-----\nAAA!\n-----END AGE ENCRYPTED FILE-----\n")
    with pytest.raises(BackupRefused, match="is damaged or cut off"):
        encryption.decrypt_file(archive, tmp_path / "plain", [KEY])


def test_a_file_that_was_encrypted_by_somebody_else_is_checked_as_every_backup(
    other: DataFolder, identity: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "forged.age"
    archive.write_bytes(pyrage.encrypt(b"no archive", [KEY.to_public()]))
    with pytest.raises(BackupRefused, match="is not a backup of Adsum"):
        put_back(other, archive, identity=identity)
    assert not other.root.exists()


def test_wrong_recipients_are_all_named_and_a_secret_key_is_not_shown(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused) as refused:
        make(folder, tmp_path / "backup.age", "age1wrong", RECIPIENT, str(KEY), "")
    text = refused.value.detail
    assert "'age1wrong'; recipient 3 is a secret key" in text
    assert "''" in text
    assert str(KEY) not in text
    assert not (tmp_path / "backup.age").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"# a key\n{RECIPIENT}\nhunter2", "line 2 is not a secret key AGE-SECRET-KEY-1…; line 3"),
        ("# only a comment\n", "it holds no secret key"),
        ("age-encryption.org/v1\n-> scrypt", "is encrypted itself"),
        (None, "cannot read the identity"),
    ],
    ids=["wrong lines", "no key", "encrypted", "missing"],
)
def test_a_wrong_identity_is_named_without_its_content(
    other: DataFolder, archive: Path, identity: Path, text: str | None, why: str
) -> None:
    identity.unlink() if text is None else identity.write_text(text)
    with pytest.raises(BackupRefused) as refused:
        put_back(other, archive, identity=identity)
    assert why in refused.value.detail
    assert "hunter2" not in refused.value.detail


def test_what_was_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, encrypt = tmp_path / "plain", pyrage.encrypt_io
    plain.write_bytes(b"content")

    def encrypt_something_else(_source: Any, target: Any, recipients: Any) -> None:
        encrypt(BytesIO(b"something else"), target, recipients)

    monkeypatch.setattr(pyrage, "encrypt_io", encrypt_something_else)
    with pytest.raises(BackupRefused, match="differs from what was encrypted"):
        encryption.encrypt_file(plain, tmp_path / "made.age", [KEY.to_public()])


def test_a_full_disk_is_reported_as_such(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_WRONLY)

    def open_full(*_: object) -> int:
        return full

    monkeypatch.setattr(os, "open", open_full)
    with pytest.raises(OSError, match="No space left"):
        encryption.decrypt_file(archive, tmp_path / "plain", [KEY])


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    plain, made, back = tmp_path / "plain", tmp_path / "made.age", tmp_path / "back"
    with plain.open("wb") as file:
        file.truncate(64 * MIB)
    tracemalloc.start()
    encryption.encrypt_file(plain, made, [KEY.to_public()])
    encryption.decrypt_file(made, back, [KEY])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB
    assert back.stat().st_size == 64 * MIB
