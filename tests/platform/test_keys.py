"""The signing keys: their text, the keys that are derived from them, and files that change while they are in use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adsum.platform.errors import ConfigurationError
from adsum.platform.keys import KeyFile, KeyPurpose, KeyRing
from adsum.platform.settings import load_settings
from adsum.platform.signing_keys import SigningKey, WrongKeys, format_keys, hkdf, parse_keys
from adsum.servers import key_ring

A, B, C = "a" * 40, "b" * 40, "c" * 40
END = datetime(2027, 1, 31, tzinfo=UTC)


def test_keys_stand_on_lines_or_between_commas() -> None:
    keys = (SigningKey(A), SigningKey(B, END), SigningKey(C))
    assert parse_keys(f"{A}\n\n  {B} until 2027-01-31T01:00:00+01:00\r\n{C}\n") == keys
    assert parse_keys(f"{A}, {B} until 2027-01-31T00:00:00Z,{C}") == keys
    assert parse_keys(format_keys(keys)) == keys


def test_every_wrong_key_is_named_and_none_is_shown() -> None:
    text = f"{A} until 2027-01-31T00:00:00Z\nhunter2\n{B} untill 2027-01-31T00:00:00Z\n"
    text += f"{C} until 2027-01-31\n{A}\n{C}\n{C}"
    with pytest.raises(WrongKeys) as wrong:
        parse_keys(text)
    assert wrong.value.problems == (
        "key 1: the first one signs, and has no end",
        "key 2: it is shorter than 32 characters",
        "key 3: it is neither KEY nor KEY until TIME, and a key has no blanks",
        "key 4: its end is not a time with a time zone, such as 2027-01-31T00:00:00Z",
        "key 7: it is there already",
    )
    assert not any(key in str(wrong.value) for key in (A, B, C, "hunter2"))
    with pytest.raises(WrongKeys, match="there is no key"):
        parse_keys(" \n,")


@pytest.mark.parametrize("purpose", KeyPurpose)
def test_derived_keys_are_those_of_hkdf(purpose: KeyPurpose) -> None:
    expected = HKDF(SHA256(), 32, salt=None, info=f"adsum {purpose}".encode()).derive(A.encode())
    assert hkdf(A.encode(), purpose) == expected
    assert KeyRing.of(A).derive(purpose).secret == expected


def test_every_purpose_and_every_key_has_a_key_of_its_own() -> None:
    ring = KeyRing(lambda: (SigningKey(A), SigningKey(B)))
    derived = [key.secret for purpose in KeyPurpose for key in ring.all_derived(purpose)]
    assert len({*derived, A.encode(), B.encode()}) == 2 * len(KeyPurpose) + 2
    assert {key.key_id for key in ring.all_derived(KeyPurpose.AUDIT)} == {SigningKey(A).id, SigningKey(B).id}
    assert A not in repr(ring.keys())


def test_a_key_that_has_ended_only_decrypts() -> None:
    keys = (SigningKey(A), SigningKey(B, END))
    moment = END - timedelta(seconds=1)
    ring = KeyRing(lambda: keys, lambda: moment)
    ended = keys[1].id
    assert ring.find(KeyPurpose.TOKENS, ended)
    assert [key.key_id for key in ring.all_plain()] == [keys[0].id, ended]
    moment = END
    assert ring.find(KeyPurpose.TOKENS, ended) is None
    assert [key.key_id for key in ring.all_derived(KeyPurpose.SECOND_FACTORS)] == [keys[0].id]
    assert [key.key_id for key in ring.all_derived(KeyPurpose.SECOND_FACTORS, with_ended=True)] == [keys[0].id, ended]
    assert [key.key_id for key in ring.all_plain()] == [keys[0].id]


def test_a_file_that_changes_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(A)
    ring = KeyRing(KeyFile(path))
    version = ring.version
    assert ring.derive(KeyPurpose.TOKENS).key_id == SigningKey(A).id
    assert ring.version == version
    path.write_text(f"{B}\n{A}")
    assert ring.derive(KeyPurpose.TOKENS).key_id == SigningKey(B).id
    assert ring.version == version + 1


def test_a_file_that_becomes_wrong_or_is_lost_leaves_the_keys_as_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys"
    path.write_text(A)
    file = KeyFile(path)
    keys = file()
    path.write_text("short")
    assert (file(), file()) == (keys, keys)
    path.write_bytes(b"\xff" * 40)
    assert file() == keys
    path.unlink()
    assert (file(), file()) == (keys, keys)
    assert len(caplog.records) == 3
    path.write_text(B)
    assert file() == (SigningKey(B),)


def test_a_file_that_never_was_right_is_refused(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="ADSUM_SIGNING_KEYS"):
        KeyRing(file).derive(KeyPurpose.TOKENS)
    file.path.write_text("short")
    with pytest.raises(ConfigurationError, match="key 1: it is shorter than 32 characters"):
        KeyRing(file).require_key()
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot read"):
        KeyRing(file).require_key()


def test_the_settings_name_one_key_or_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADSUM_DATA_DIR", str(tmp_path))
    (tmp_path / "secret.key").write_text(C)
    assert key_ring(load_settings()).keys() == (SigningKey(C),)
    monkeypatch.setenv("ADSUM_SECRET_KEY", f"{A}, with blanks")
    assert key_ring(load_settings()).keys() == (SigningKey(f"{A}, with blanks"),)
    monkeypatch.setenv("ADSUM_SIGNING_KEYS", f"{B},{A}")
    with pytest.raises(ConfigurationError, match="both set"):
        key_ring(load_settings())
    monkeypatch.delenv("ADSUM_SECRET_KEY")
    assert key_ring(load_settings()).keys() == (SigningKey(B), SigningKey(A))


def test_the_file_of_the_setting_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    path.write_text(A)
    monkeypatch.setenv("ADSUM_SIGNING_KEYS_FILE", str(path))
    ring = key_ring(load_settings())
    path.write_text(f"{B}\n{A}")
    assert ring.keys() == (SigningKey(B), SigningKey(A))


def test_a_wrong_setting_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADSUM_SIGNING_KEYS", f"{A},hunter2")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert refused.value.detail == "wrong settings: ADSUM_SIGNING_KEYS: key 2: it is shorter than 32 characters"
