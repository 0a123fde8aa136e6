"""Options that take one of a few words. Typer's own reading of them tells of its library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import typer

Choice = TypeVar("Choice", bound=str)


def one_of(choices: Iterable[Choice]) -> Callable[[str], Choice]:
    """What reads such an option. Anything else is a `typer.BadParameter` that names all of them."""
    by_text = {str(choice): choice for choice in choices}

    def read(text: str) -> Choice:
        if text not in by_text:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(by_text)}")
        return by_text[text]

    return read
