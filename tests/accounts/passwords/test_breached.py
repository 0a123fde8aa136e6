"""Breached passwords, in lists of the forms that the downloader of Have I Been Pwned writes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from adsum.accounts.passwords.breached import BreachedListUnavailable, BreachedPasswords
from adsum.accounts.passwords.policy import PasswordPolicy
from adsum.accounts.passwords.rules import Strength
from adsum.platform.errors import ConfigurationError

KNOWN = ["violet kettle drum", "purple engine moon", "Nguyễn Ánh kettle", "k3#Qz9!xk3#Qz9!x"]
PADDING, UNKNOWN = "only padding here", "amber saddle river"


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def hashes(count: int = 3_000) -> list[str]:
    """The hashes of the known passwords among others."""
    chance = random.Random(7)
    others = [f"{chance.getrandbits(160):040X}" for _ in range(count)]
    return sorted({*others, *map(sha1, KNOWN), sha1(PADDING)})


def counts(digits: Sequence[str], end: str) -> str:
    return "".join(f"{each}:{0 if sha1(PADDING).startswith(each) else 1 + len(each)}{end}" for each in digits)


def file_of_the_downloader(folder: Path) -> Path:
    return written(folder, counts(hashes(), "\r\n"))


def file_without_counts_or_a_last_line_end(folder: Path) -> Path:
    return written(folder, "\n".join(each.lower() for each in hashes() if each != sha1(PADDING)))


def file_of_cut_hashes(folder: Path) -> Path:
    return written(folder, counts([each[:16] for each in hashes()], "\n"))


def folder_of_the_downloader(folder: Path) -> Path:
    for number in range(2**12):  # the other beginnings are not asked for
        (folder / f"{number << 8:05X}.txt").touch()
    others_of_the_beginnings = [sha1(each)[:5] + "0" * 35 for each in KNOWN]
    for each in [*others_of_the_beginnings, *hashes(), "F" * 40]:
        with (folder / f"{each[:5]}.txt").open("a") as part:
            part.write(counts([each], "\r\n")[5:])
    for each in (UNKNOWN, *KNOWN):
        (folder / f"{sha1(each)[:5]}.txt").touch()
    return folder


def written(folder: Path, text: str) -> Path:
    path = folder / "pwned.txt"
    path.write_text(text)
    return path


LISTS = [
    file_of_the_downloader,
    file_without_counts_or_a_last_line_end,
    file_of_cut_hashes,
    folder_of_the_downloader,
]


@pytest.mark.parametrize("make", LISTS)
async def test_breached_passwords_are_found_and_others_are_not(make: Callable[[Path], Path], tmp_path: Path) -> None:
    breached = BreachedPasswords(make(tmp_path))
    breached.require_usable()
    assert [await breached.contain(each) for each in KNOWN] == [True] * 4
    assert await breached.contain("Nguye\u0302\u0303n A\u0301nh kettle")  # typed on another keyboard
    assert [await breached.contain(each) for each in (PADDING, UNKNOWN)] == [False, False]


async def test_every_line_is_found_also_the_first_and_the_last(tmp_path: Path) -> None:
    passwords = {sha1(each): each for each in map(str, range(300))}
    breached = BreachedPasswords(written(tmp_path, counts(sorted(passwords), "\r\n")))
    assert all([await breached.contain(each) for each in passwords.values()])
    assert not any([await breached.contain(f"{each} ") for each in passwords.values()])
    for first in sorted(passwords)[:1]:
        alone = BreachedPasswords(written(tmp_path, first))
        assert await alone.contain(passwords[first])
        assert not await alone.contain(UNKNOWN)


async def test_a_list_of_any_size_is_not_read_as_a_whole(tmp_path: Path) -> None:
    """64 GiB, of which the disk stores a line at each end."""
    path = tmp_path / "pwned.txt"
    with path.open("wb") as file:
        file.write(f"{0:040X}:1\n".encode())
        file.seek(2**36)
        file.write(f"\n{'F' * 40}:1\n".encode())
    with pytest.raises(BreachedListUnavailable):
        await BreachedPasswords(path).contain(UNKNOWN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("password\n123456\n", "no SHA-1 hashes"),
        ("x" * 1_000, "more than 64 bytes"),
        ("\n".join(f"{number:015X}" for number in range(9)), "no SHA-1 hashes"),
        ("\n".join(f"{number:032X}:1" for number in range(9)), "NTLM"),
        ("\n".join(f"{number:040X}:1" for number in range(900, 0, -1)), "not in ascending order"),
        (f"{1:040X}\n{'F' * 20}\n", "differ in length"),
        (f"{1:040X}:1 or so\n", "no SHA-1 hashes"),
    ],
)
def test_another_file_is_named_before_the_start(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"ADSUM_BREACHED_PASSWORDS: .*{reason}"):
        BreachedPasswords(written(tmp_path, text)).require_usable()


def test_a_missing_file_and_a_folder_without_its_parts_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigurationError, match=r"cannot read .*: No such file"):
            BreachedPasswords(path).require_usable()


async def test_without_its_list_no_password_is_accepted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = PasswordPolicy(breached=BreachedPasswords(tmp_path / "gone"))
    with pytest.raises(BreachedListUnavailable):
        await policy.violations(UNKNOWN, [])
    assert UNKNOWN not in caplog.text
    assert [record.msg for record in caplog.records] == ["the list of breached passwords cannot be used"]
    # The rules need no list.
    assert [each.code for each in await policy.violations("short", [])] == ["wrong_password_length"]


async def test_a_breached_password_is_refused_and_weak(tmp_path: Path) -> None:
    policy = PasswordPolicy(breached=BreachedPasswords(file_of_the_downloader(tmp_path)))
    assert [each.code for each in await policy.violations(KNOWN[0], [])] == ["password_breached"]
    assert await policy.strength(KNOWN[0], []) is Strength.WEAK
    assert await policy.violations(UNKNOWN, []) == []
    assert await policy.strength(UNKNOWN, []) > Strength.WEAK
    assert await PasswordPolicy().violations(KNOWN[0], []) == []


@pytest.mark.parametrize(("minimum", "length"), [(8, 19), (19, 19), (20, 24), (64, 64)])
def test_generated_passwords_are_as_long_as_the_policy_demands(minimum: int, length: int) -> None:
    assert len(PasswordPolicy(minimum).generated()) == length
