"""Searched words are encrypted for one user, and are none for everybody else."""

from __future__ import annotations

from adsum.accounts.kept_words.service import KeptWords, WordKeeper
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.secret_box import SecretBox


def keeper(secret: str = "k" * 40) -> WordKeeper:
    return WordKeeper(SecretBox(KeyRing.of(secret), KeyPurpose.SEARCHED_WORDS))


def test_words_are_read_by_their_user_alone() -> None:
    kept = keeper().keep(" Ada Byron ", 1)

    assert kept.words == "Ada Byron"
    assert "Ada" not in kept.sealed
    assert keeper().kept(kept.sealed, 1) == kept
    assert keeper().kept(kept.sealed, 2) == KeptWords()
    assert keeper("n" * 40).kept(kept.sealed, 1) == KeptWords()


def test_no_words_are_kept_as_none() -> None:
    assert keeper().keep("  ", 1) == KeptWords()
    assert keeper().kept("", 1) == KeptWords()
