"""`adsum user`: users who can sign in, their roles and their sign-ins."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from adsum.accounts.access import Role, system_caller
from adsum.accounts.names import NameChange
from adsum.accounts.profile.schemas import sent_name
from adsum.accounts.rules import ROLES
from adsum.accounts.schemas import SignInItem
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import one_of
from adsum.platform.command_line.output import Json, show_items, show_one
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest, every_item
from adsum.roster.people.rules import PersonChange, PersonFilters, PersonRow
from adsum.roster.people.schemas import UserItem
from adsum.roster.people.service import People

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "email", "givenName", "familyName", "role", "schoolId", "sourcedId", "disabled", "hasFirstPassword")
DROPPED_FIRST = ("hasFirstPassword", "sourcedId", "givenName")
SIGN_IN_COLUMNS = ("id", "kind", "agent", "createdAt", "lastUsedAt", "endsAt")
Email = Annotated[str, typer.Argument(metavar="EMAIL")]
GivenName = Annotated[str | None, typer.Option("--given-name", metavar="NAME", help="The given name.")]
FamilyName = Annotated[str | None, typer.Option("--family-name", metavar="NAME", help="The family name.")]
WITH_LOGIN = PersonFilters(with_login=True)


@app.command("add")
def add_user(
    email: Email,
    *,
    role: Annotated[Role, typer.Option(parser=one_of(ROLES), metavar="|".join(ROLES))],
    school: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_ID,
            metavar="ID",
            help="Required if there are several, except for an admin of all schools.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCEDID",
            help="The source id of the teacher of the roster who gets this login. "
            "A login with this email that is not linked becomes theirs, with a new password.",
        ),
    ] = None,
    given_name: GivenName = None,
    family_name: FamilyName = None,
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin",
            help="Read the password from stdin.  [default: generate one that works once, and show it]",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Add a user who can sign in. An admin without a school belongs to all schools."""
    password = _read_line() if password_stdin else None
    name = sent_name(given_name, family_name)
    new = run_with(
        People,
        lambda people: people.add_login(
            email, role, system_caller(), school_id=school, teacher=teacher, password=password, name=name
        ),
    )
    _show_user(new.person, None if password_stdin else new.password, as_json=as_json)
    if role is Role.TEACHER and teacher is None:
        _name_unlinked_teachers(new.person)


def _name_unlinked_teachers(added: PersonRow) -> None:
    """Says that the roster has teachers without a login, one of whom the new user may be."""
    filters = PersonFilters(added.school_id, role=Role.TEACHER, disabled=False, with_login=False)
    found = run_with(People, lambda people: people.page(filters, system_caller(), PageRequest(limit=MAX_LIMIT)))
    if any(person.row.source_id is not None for person in found.items):
        show_notice(
            f"teachers of the roster of school {added.school_id} have no login. If this is one of them, link them: "
            f"adsum user add {added.email} --role teacher --school {added.school_id} --teacher SOURCEDID"
        )


@app.command("list")
def list_users(*, as_json: Json = False) -> None:
    """Show all users who can sign in."""
    people = run_with(People, lambda people: every_item(lambda page: people.page(WITH_LOGIN, system_caller(), page)))
    rows = sorted((person.row for person in people), key=lambda row: row.email or "")
    items = [UserItem.model_validate(row) for row in rows]
    show_items(COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST)


@app.command("password")
def set_password(
    email: Email,
    *,
    generate: Annotated[
        bool, typer.Option("--generate", help="Generate a password that works once, and show it.")
    ] = False,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from stdin.  [default: if stdin is no terminal]"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Set a new password, from a prompt or from stdin. It ends all tokens of the user."""
    if generate and password_stdin:
        raise typer.BadParameter("choose --generate or --password-stdin", param_hint="--generate")
    password = None if generate else _read_line() if password_stdin else _prompt_password()
    new = run_with(People, lambda people: people.new_password(email, system_caller(), password))
    _show_user(new.person, new.password if generate else None, as_json=as_json)


@app.command("role")
def change_role(
    email: Email,
    role: Annotated[
        Role | None, typer.Argument(parser=one_of(ROLES), metavar=f"[{'|'.join(ROLES)}]", show_default=False)
    ] = None,
    *,
    school: Annotated[
        int | None,
        typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="The user's new school.  [default: stays]"),
    ] = None,
    all_schools: Annotated[
        bool, typer.Option("--all-schools", help="An admin of all schools, instead of one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Change the role of a user, or their school, and end all their tokens."""
    change = PersonChange()
    if role is not None:
        change["role"] = role
    if school is not None and all_schools:
        raise typer.BadParameter("choose --school or --all-schools", param_hint="--school")
    if school is not None or all_schools:
        change["school_id"] = school
    if not change:
        raise typer.BadParameter("nothing to change: give a role, --school or --all-schools", param_hint="ROLE")
    _show_user(run_with(People, lambda people: people.change(email, change, system_caller())), as_json=as_json)


@app.command("rename")
def rename_user(
    email: Email, *, given_name: GivenName = None, family_name: FamilyName = None, as_json: Json = False
) -> None:
    """Change the name of a user, except of a person of the roster. A part that is left out stays."""
    name = NameChange.of(given_name, family_name)
    if name is None:
        raise typer.BadParameter("give --given-name, --family-name, or both", param_hint="--family-name")
    change = PersonChange(name=name)
    _show_user(run_with(People, lambda people: people.change(email, change, system_caller())), as_json=as_json)


@app.command("disable")
def disable_user(email: Email, *, as_json: Json = False) -> None:
    """Disable a user, and end all their tokens at once."""
    _set_disabled(email, disabled=True, as_json=as_json)


@app.command("enable")
def enable_user(email: Email, *, as_json: Json = False) -> None:
    """Enable a disabled user. Earlier tokens stay ended."""
    _set_disabled(email, disabled=False, as_json=as_json)


@app.command("unlock")
def unlock_user(email: Email, *, as_json: Json = False) -> None:
    """Clear the wrong passwords that were counted for a user. Those of an address stay counted."""
    _show_user(run_with(People, lambda people: people.unlock(email, system_caller())), as_json=as_json)


@app.command("reset-factors")
def reset_factors(email: Email, *, as_json: Json = False) -> None:
    """Remove the second factors of a user who has lost them, and end their sign-ins."""
    had_any = run_with(People, lambda people: people.reset_factors(email, system_caller()))
    show_one({"email": email, "hadSecondFactor": had_any}, as_json=as_json)


@app.command("sign-ins")
def list_sign_ins(email: Email, *, as_json: Json = False) -> None:
    """Show where a user is signed in, with browsers, programs and tokens."""
    found = run_with(Tokens, lambda tokens: tokens.sign_ins_of_email(email))
    show_items(SIGN_IN_COLUMNS, [SignInItem.model_validate(each) for each in found], as_json=as_json)


@app.command("sign-out")
def sign_out_user(
    email: Email,
    *,
    sign_in: Annotated[
        int | None, typer.Option("--sign-in", metavar="ID", min=1, max=MAX_ID, help="Only this one.  [default: all]")
    ] = None,
    as_json: Json = False,
) -> None:
    """End the sign-ins of a user. Their tokens are refused from then on."""
    run_with(Tokens, lambda tokens: tokens.end_of_email(email, sign_in))
    show_one({"email": email, "signedOut": True}, as_json=as_json)


def _set_disabled(email: str, *, disabled: bool, as_json: bool) -> None:
    change = PersonChange(disabled=disabled)
    _show_user(run_with(People, lambda people: people.change(email, change, system_caller())), as_json=as_json)


def _show_user(person: PersonRow, password: str | None = None, *, as_json: bool) -> None:
    row = UserItem.model_validate(person).model_dump(mode="json" if as_json else "python", by_alias=True)
    show_one(row if password is None else row | {"password": password}, as_json=as_json)


def _prompt_password() -> str:
    if not sys.stdin.isatty():
        return _read_line()
    password: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _read_line() -> str:
    return sys.stdin.readline().rstrip("\r\n")
