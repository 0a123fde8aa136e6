"""The rows of the used files as records. Columns that are not in `package.USED` are not read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from adsum.platform.errors import Violation
from adsum.roster.oneroster.csv_table import Row
from adsum.roster.rules import MAX_GRADE
from adsum.roster.terms.rules import GRADING_PERIOD

MAX_PERIOD = 64

STUDENT = "student"
TEACHER = "teacher"
EXTENSION = "extension"
STAFF_ROLES = frozenset(
    {
        TEACHER,
        EXTENSION,
        "administrator",
        "aide",
        "counselor",
        "districtadministrator",
        "principal",
        "proctor",
        "siteadministrator",
        "systemadministrator",
    }
)
"""Roles of people who teach a class if an enrolment says so."""
KINDS_OF_TERMS = {kind.lower(): kind for kind in (GRADING_PERIOD, "semester", "schoolYear", "term")}
"""The kinds of academic sessions in lower case, each as OneRoster spells it."""
CONTACT_ROLES = ("guardian", "parent", "relative")
"""Roles of the contacts of students, in the order in which they are named."""
ROLES = STAFF_ROLES | {STUDENT, *CONTACT_ROLES}
KINDS_OF_ORGS = frozenset({"department", "school", "district", "local", "state", "national"})


@dataclass(frozen=True, slots=True)
class Org:
    """A row of orgs.csv; only those of type `school` are imported."""

    row: int
    source_id: str
    is_gone: bool
    name: str
    kind: str

    @property
    def is_school(self) -> bool:
        return self.kind == "school"

    @property
    def is_known(self) -> bool:
        """Whether OneRoster has its kind, or lets a system add it."""
        return self.kind in KINDS_OF_ORGS or self.kind.startswith("ext:")


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A row of users.csv. `role` and `orgs` are those of OneRoster 1.1; 1.2 has them in roles.csv.

    Attributes:
        is_enabled: whether the person may sign in; None if the file does not tell.
        agents: the source ids of related users: of a student, their contacts; of a contact, the students. None: the
            file does not tell.
        phone, sms, email: read of contacts only, and of everybody in 1.2.
        doubts: the violations in these columns. They are warnings, if the person is a student or a contact.
    """

    row: int
    source_id: str
    is_gone: bool
    given_name: str
    family_name: str
    grades: tuple[str, ...]
    role: str
    orgs: tuple[str, ...]
    primary_org: str
    is_enabled: bool | None
    agents: tuple[str, ...] | None = None
    phone: str = ""
    sms: str = ""
    email: str = ""
    doubts: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonRole:
    """A row of OneRoster 1.2's roles.csv; `end` is the first day that the person no longer has the role."""

    row: int
    is_gone: bool
    user: str
    role: str
    org: str
    is_primary: bool
    end: date | None


@dataclass(frozen=True, slots=True)
class AcademicSession:
    """A row of academicSessions.csv: a term, from `begin` up to but without `end`, which OneRoster calls exclusive.

    `kind`: one of `KINDS_OF_TERMS`, or `EXTENSION`. `parent`: the source id of the academic session around it, or ''.
    """

    row: int
    source_id: str
    is_gone: bool
    title: str
    kind: str
    begin: date | None
    end: date | None
    parent: str


@dataclass(frozen=True, slots=True)
class SchoolClass:
    """A row of classes.csv; each of its `periods` is a session.

    `terms`: the source ids of its academic sessions; None: the file does not tell.
    """

    row: int
    source_id: str
    is_gone: bool
    title: str
    code: str
    school: str
    periods: tuple[str, ...]
    terms: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A row of enrollments.csv; `end` is the first day that the person is no longer in the class."""

    row: int
    source_id: str
    is_gone: bool
    role: str
    school: str
    class_: str
    user: str
    begin: date | None
    end: date | None


def read_org(row: Row) -> Org:
    """Reads a row of orgs.csv. A deleted row, here and in other files, needs only its sourcedId."""
    is_gone = row.is_gone()
    return Org(
        row=row.number,
        source_id=row.source_id(),
        is_gone=is_gone,
        name=row.text("name", required=not is_gone),
        kind=row.text("type", required=not is_gone).lower(),
    )


def read_person_of_1_1(row: Row) -> PersonRecord:
    """Reads a row of users.csv in OneRoster 1.1, with role and orgs."""
    return _person(row, carries_role=True)


def read_person_of_1_2(row: Row) -> PersonRecord:
    """Reads a row of users.csv in OneRoster 1.2, whose roles are in roles.csv."""
    return _person(row, carries_role=False)


def _person(row: Row, *, carries_role: bool) -> PersonRecord:
    is_gone = row.is_gone()
    role = _role(row, required=not is_gone) if carries_role else ""
    agents, (phone, sms, email), doubts = _relations(row, has_numbers=not carries_role or role in CONTACT_ROLES)
    person = PersonRecord(
        row=row.number,
        source_id=row.source_id(),
        is_gone=is_gone,
        given_name=row.text("givenName"),
        family_name=row.text("familyName"),
        grades=row.listed("grades", MAX_GRADE),
        role=role,
        orgs=row.listed("orgSourcedIds") if carries_role else (),
        primary_org=row.text("primaryOrgSourcedId"),
        is_enabled=_is_true(row, "enabledUser"),
        agents=agents,
        phone=phone,
        sms=sms,
        email=email,
        doubts=doubts,
    )
    if not is_gone and not row.violations and not person.given_name and not person.family_name:
        row.violation("missing_value", "givenName", "and familyName are both empty")
    return person


def _relations(
    row: Row, *, has_numbers: bool
) -> tuple[tuple[str, ...] | None, tuple[str, str, str], tuple[Violation, ...]]:
    """The agents, the phone numbers and the email, and their violations, which do not leave out the row."""
    before = len(row.violations)
    agents = row.listed("agentSourcedIds") if row.has("agentSourcedIds") else None
    if len(row.violations) > before:
        agents = None
    numbers = (row.text("phone"), row.text("sms"), row.text("email")) if has_numbers else ("", "", "")
    doubts = tuple(row.violations[before:])
    del row.violations[before:]
    return agents, numbers, doubts


def read_role(row: Row) -> PersonRole:
    """Reads a row of roles.csv. A role is primary unless its type is `secondary`."""
    is_gone = row.is_gone()
    return PersonRole(
        row=row.number,
        is_gone=is_gone,
        user=row.text("userSourcedId", required=True),
        role=_role(row, required=not is_gone),
        org=row.text("orgSourcedId", required=not is_gone),
        is_primary=row.text("roleType").lower() != "secondary",
        end=row.day("endDate"),
    )


def read_academic_session(row: Row) -> AcademicSession:
    """Reads a row of academicSessions.csv."""
    is_gone = row.is_gone()
    session = AcademicSession(
        row=row.number,
        source_id=row.source_id(),
        is_gone=is_gone,
        title=row.text("title", required=not is_gone),
        kind=_kind_of_term(row, required=not is_gone),
        begin=row.day("startDate", required=not is_gone),
        end=row.day("endDate", required=not is_gone),
        parent=row.text("parentSourcedId"),
    )
    if session.begin is not None and session.end is not None and session.end <= session.begin:
        row.violation("end_before_begin", "endDate", "is not after startDate; it is the first day after the session")
    return session


def read_class(row: Row) -> SchoolClass:
    """Reads a row of classes.csv without its course."""
    is_gone = row.is_gone()
    return SchoolClass(
        row=row.number,
        source_id=row.source_id(),
        is_gone=is_gone,
        title=row.text("title", required=not is_gone),
        code=row.text("classCode"),
        school=row.text("schoolSourcedId", required=not is_gone),
        periods=row.listed("periods", MAX_PERIOD),
        terms=row.listed("termSourcedIds") if row.has("termSourcedIds") else None,
    )


def read_enrolment(row: Row) -> Enrolment:
    """Reads a row of enrollments.csv. An enrolment that ends on its first day is valid and has no day."""
    is_gone = row.is_gone()
    enrolment = Enrolment(
        row=row.number,
        source_id=row.source_id(),
        is_gone=is_gone,
        role=_role(row, required=not is_gone),
        school=row.text("schoolSourcedId"),
        class_=row.text("classSourcedId", required=not is_gone),
        user=row.text("userSourcedId", required=not is_gone),
        begin=row.day("beginDate"),
        end=row.day("endDate"),
    )
    if enrolment.begin is not None and enrolment.end is not None and enrolment.end < enrolment.begin:
        row.violation("end_before_begin", "endDate", "is before beginDate")
    return enrolment


def _is_true(row: Row, column: str) -> bool | None:
    match row.text(column).lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case "":
            return None
        case _:
            row.unknown("wrong_form", column, ("true", "false"), "is neither true nor false")
            return None


def _kind_of_term(row: Row, *, required: bool) -> str:
    kind = row.text("type", required=required)
    if kind.lower().startswith("ext:"):
        return EXTENSION
    known = KINDS_OF_TERMS.get(kind.lower(), "")
    if kind and not known:
        predicate = "is neither gradingPeriod, semester, schoolYear nor term"
        row.unknown("unknown_type", "type", KINDS_OF_TERMS.values(), predicate)
    return known


def _role(row: Row, *, required: bool) -> str:
    """One of OneRoster's roles."""
    role = row.text("role", required=required).lower()
    if not role or role in ROLES - {EXTENSION}:
        return role
    if role.startswith("ext:"):
        return EXTENSION
    hint = ", such as student or teacher"
    row.unknown("unknown_role", "role", ROLES - {EXTENSION}, "is not a role of OneRoster", hint)
    return ""
