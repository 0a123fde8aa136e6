"""Options that many commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, TypeVar

import typer
from typer.models import OptionInfo

from adsum.platform.days import WrongDay, plain_day, time_of
from adsum.platform.errors import Invalid, Violation
from adsum.platform.ids import MAX_ID
from adsum.platform.texts import MAX_WORDS, UNSTORABLE, UNSTORABLE_TEXT, WRONG_ROSTER_TEXT, is_roster_text
from adsum.platform.time_zones import known_time_zone


def read_day(text: str) -> date:
    """Parses an option of the form YYYY-MM-DD. Raises typer.BadParameter."""
    try:
        return plain_day(text)
    except WrongDay as error:
        raise typer.BadParameter(str(error)) from None


def require_order(first_day: date | None, last_day: date | None) -> None:
    """Raises typer.BadParameter: the last day of a list is before the first one."""
    if first_day is not None and last_day is not None and last_day < first_day:
        raise typer.BadParameter(f"{last_day} is before {first_day}", param_hint="--to")


def read_time(text: str) -> str:
    """A local time as imports accept it: `9:00` as `09:00`. The service refuses a text that is none."""
    return time_of(text.strip())


def read_words(text: str) -> str:
    """Words of a search, within the limits of the API. Raises typer.BadParameter."""
    if len(text) > MAX_WORDS:
        raise typer.BadParameter(f"a search has at most {MAX_WORDS} characters")
    if UNSTORABLE.search(text):
        raise typer.BadParameter(f"a search {UNSTORABLE_TEXT}")
    return text


def read_sourced_id(text: str) -> str:
    """An id in the roster, as the API reads it: without blanks at its ends. Raises typer.BadParameter."""
    stripped = text.strip()
    if not is_roster_text(stripped):
        raise typer.BadParameter(WRONG_ROSTER_TEXT)
    return stripped


@contextmanager
def naming_options(options: Mapping[str, str]) -> Generator[None]:
    """Begins the violations of the API's fields with the options of a command.

    `options`: by the pointer of the field, such as `{"/reason": "--reason"}`.
    """

    def named(violation: Violation) -> Violation:
        option = options.get(violation.pointer)
        return violation if option is None else replace(violation, detail=f"{option}: {violation.detail}")

    try:
        yield
    except Invalid as error:
        raise Invalid(error.detail, [named(each) for each in error.violations], **error.params) from None


def time_zone_given(text: str) -> str:
    """Parses the option of a time zone. Raises typer.BadParameter, with names that are close."""
    try:
        return known_time_zone(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _id_option(name: str, help_: str) -> OptionInfo:
    option: OptionInfo = typer.Option(name, min=1, max=MAX_ID, metavar="ID", help=help_)
    return option


def school_option(help_: str = "The id of a school: see `adsum school list`.") -> OptionInfo:
    """The option `--school`, with the help of a command."""
    return _id_option("--school", help_)


def class_option(help_: str = "The id of a class: see `adsum class list`.") -> OptionInfo:
    """The option `--class`, with the help of a command."""
    return _id_option("--class", help_)


def session_option(help_: str = "The id of a session: see `adsum session list`.") -> OptionInfo:
    """The option `--session`, with the help of a command."""
    return _id_option("--session", help_)


def student_option(help_: str = "The id of a student: see `adsum student list`.") -> OptionInfo:
    """The option `--student`, with the help of a command."""
    return _id_option("--student", help_)


def teacher_option(help_: str = "The id of a user: see `adsum user list --json`.") -> OptionInfo:
    """The option `--teacher`, with the help of a command."""
    return _id_option("--teacher", help_)


def search_option(help_: str) -> OptionInfo:
    """The option `--search`, with the help of a command."""
    option: OptionInfo = typer.Option("--search", parser=read_words, metavar="WORDS", help=help_)
    return option


SchoolId = Annotated[int | None, school_option()]
ClassId = Annotated[int | None, class_option()]
SessionId = Annotated[int | None, session_option()]
StudentId = Annotated[int | None, student_option()]
TeacherId = Annotated[int | None, teacher_option()]
FirstDay = Annotated[date | None, typer.Option("--from", parser=read_day, metavar="DATE", help="First learning date.")]
LastDay = Annotated[date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="Last learning date.")]
SchoolDay = Annotated[
    date | None, typer.Option("--date", parser=read_day, metavar="DATE", help="[default: the school's today]")
]
SearchWords = Annotated[str | None, search_option("Words of names, titles or sourced ids.")]
SourcedId = Annotated[
    str | None,
    typer.Option("--sourced-id", parser=read_sourced_id, metavar="SOURCED_ID", help="The id in the roster."),
]
Status = Annotated[str | None, typer.Option(metavar="CODE", help="A status of the school: see `adsum status list`.")]


UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration_up_to(
    maximum: timedelta, why: str, minimum: timedelta = timedelta(seconds=1)
) -> Callable[[str], timedelta]:
    """The parser of a duration such as 30m, 12h or 7d. It raises typer.BadParameter: `why`, if it is too long."""

    def read(text: str) -> timedelta:
        match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
        if match is None or (duration := timedelta(**{UNITS[match[2]]: int(match[1])})) < minimum:
            raise typer.BadParameter(f"{text!r} is not a duration such as 30m, 12h or 7d")
        if duration > maximum:
            raise typer.BadParameter(why)
        return duration

    return read


Value = TypeVar("Value", bound=str)


def one_of(choices: Iterable[Value]) -> Callable[[str], Value]:
    """The parser of an option with a fixed set of values. It raises typer.BadParameter, which names all values."""
    by_text = {str(choice): choice for choice in choices}

    def read(text: str) -> Value:
        if text not in by_text:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(by_text)}")
        return by_text[text]

    return read
