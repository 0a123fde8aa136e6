"""A login that was added before the roster, or without a source id, becomes that of a person of the roster."""

from __future__ import annotations

from adsum.accounts import repository as accounts
from adsum.accounts.access import Caller, Role
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.repository import StoredUser
from adsum.accounts.rules import EmailTaken
from adsum.accounts.service import PreparedPassword
from adsum.platform.database.engine import Connection
from adsum.platform.errors import Violation
from adsum.roster.people.repository import lock_roles, move_to_login
from adsum.schools.locks import lock_rosters


async def unlinked_login(
    connection: Connection, email: str, school_id: int, teacher: str, *, locked: bool = False
) -> StoredUser | None:
    """The login with this email that the person of the roster can take over; None: there is no such login or person.

    The person has no login. The login is of the same school, and of no other person of the roster.

    Args:
        connection: of a snapshot or a transaction.
        email: normalised.
        school_id: of the roster.
        teacher: source id of the person.
        locked: whether nobody erases the two until the transaction ends.

    Raises:
        EmailTaken: the login has another role than teacher.
    """
    login = await accounts.user_of_email(connection, email, keep=locked)
    person = await accounts.user_of_source(connection, school_id, teacher, locked=locked)
    if login is None or login.school_id != school_id or login.source_id is not None:
        return None
    if person is None or person.email is not None or person.role != Role.TEACHER:
        return None
    if login.role != Role.TEACHER:
        detail = f"the login with this email has the role {login.role}: give it the role teacher first"
        raise EmailTaken(detail, [Violation(EmailTaken.code, detail, "/email", {"email": email})])
    return login


async def adopt(
    connection: Connection, email: str, school_id: int, teacher: str, password: PreparedPassword, caller: Caller
) -> int | None:
    """Makes the unlinked login that of the person, with a new password. Returns its id; None: see `unlinked_login`.

    The login keeps its id, so everything that refers to it stays: second factors, covers, and the authorship of marks.
    Its sign-ins end. The data of the person in the roster move to it: names, source id, classes and covers.
    """
    await lock_rosters(connection, [school_id])  # an import refers to the person, who goes
    await lock_roles(connection)  # the login stays a teacher of this school
    login = await unlinked_login(connection, email, school_id, teacher, locked=True)
    if login is None:
        return None
    person = await accounts.user_of_source(connection, school_id, teacher)
    assert person is not None, "see `unlinked_login`"
    await move_to_login(connection, person.id, login.id)
    await accounts.set_password(connection, login.id, password.hash, password.first)
    await record(connection, caller, Action.USER_LINKED, school_id=school_id, user_id=login.id)
    return login.id
