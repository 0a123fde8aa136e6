"""The requests of the examples, in the order in which a new school sends them. Ids are those of a new database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.roster.files import SCHOOL, Roster, a_class, enrolment, in_zip, user

CSV: Final = "text/csv"
FORM: Final = "application/x-www-form-urlencoded"
ZIP: Final = "application/zip"
# Placeholders of secrets, in requests and in answers.
TOKEN: Final = "<token>"
SETUP: Final = "<setup>"
CODE: Final = "<code>"
CONFIRMATION: Final = "<confirmation>"
DAY: Final = "2024-12-20"  # a Friday, and the day of the clock
TEACHER: Final = "grace@school.example"
VIEWER: Final = "joan@school.example"
PASSWORD: Final = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `caller` sends it; None: nobody. `body` is JSON, unless `media` is the type of a file or a form.

    `before` names what happens first: see `recording.py`. A later step of one operation is not recorded.
    """

    operation: str
    path: Mapping[str, Any] = field(default_factory=dict[str, Any])
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: Any = None
    media: str = "application/json"
    version: str | None = None
    caller: str | None = "admin"
    before: str | None = None


def roster() -> bytes:
    """Lindenhof: two teachers, and a class of four."""
    names = (("Ada", "Byron"), ("Alan", "Turing"), ("Katherine", "Johnson"), ("Emmy", "Noether"))
    students = [user(f"s-{number}", "student", *name) for number, name in enumerate(names, 1)]
    parent = user("p-1", "parent", "Anne", "Byron") | {"phone": "030 1234", "email": "anne@home.example"}
    students[0]["agentSourcedIds"] = "p-1"
    columns = dict.fromkeys(("agentSourcedIds", "phone", "email"), "")
    people = [*students, parent, user("t-1", "teacher", "Grace", "Hopper") | {"email": TEACHER}]
    people.append(user("t-2", "teacher", "Edsger", "Dijkstra"))
    classes = [a_class("ma-7b", periods="1") | {"title": "Mathematics 7b", "classCode": "MA-7B"}]
    enrolments = [enrolment("ma-7b", f"s-{number}") for number in range(1, 5)]
    enrolments.append(enrolment("ma-7b", "t-1", role="teacher"))
    school = {"sourcedId": SCHOOL, "status": "active", "name": "Lindenhof", "type": "school"}
    tables = {"orgs": [school], "users": [columns | each for each in people], "classes": classes}
    return in_zip(Roster({**tables, "enrollments": enrolments}).files()).getvalue()


SCHOOL_1: Final = {"schoolId": 1}
LESSON: Final = {"classId": 1, "sessionId": 1}
BATCH: Final = {"batchId": "class-1-session-1-date-20122024"}
EARLIER_BATCH: Final = {"batchId": "class-1-session-1-date-19122024"}
PERIOD: Final = {"schoolId": 1, "from": "2024-12-01", "to": DAY}

OPERATIONS: Final[Sequence[Step]] = (
    Step("getLiveness", caller=None),
    Step("getReadiness", caller=None),
    Step("getHealth", caller=None),
    Step("getVersion", caller=None),
)
ROSTER: Final[Sequence[Step]] = (
    Step("importRoster", query={"timezone": "Europe/Berlin"}, body=roster(), media=ZIP),
    Step("listSchools"),
    Step("changeSchool", SCHOOL_1, body={"editWindowDays": 14}),
    Step("listSchoolChanges", SCHOOL_1),
    Step("putClass", {"sourcedId": "ma-8c"}, SCHOOL_1, {"title": "Mathematics 8c", "code": "MA-8C"}),
    Step(
        "putSession",
        {"sourcedId": "ma-8c-2"},
        SCHOOL_1,
        {"classSourcedId": "ma-8c", "title": "Lesson 2", "period": "2"},
    ),
    Step("putStudent", {"sourcedId": "s-5"}, SCHOOL_1, {"givenName": "Mary", "familyName": "Jackson", "grade": "8"}),
    Step(
        "putEnrolment",
        {"sourcedId": "ma-8c-s-5"},
        SCHOOL_1,
        {"classSourcedId": "ma-8c", "studentSourcedId": "s-5", "beginDate": "2024-09-02"},
    ),
    Step("listClasses", query=SCHOOL_1),
    Step("listSessions", query={"classId": 1}),
    Step("listStudents", query={"classId": 1, "limit": 2}),
    Step("searchStudents", body={"schoolId": 1, "q": "byron"}),
    Step("searchEverything", body={"q": "turing"}),
    Step("getRoster", {"classId": 1}, {"date": DAY}),
    Step("listStudentContacts", {"id": 1}),
)
CALENDAR: Final[Sequence[Step]] = (
    Step(
        "addTerm",
        SCHOOL_1,
        body={"title": "School year 2024/25", "beginDate": "2024-08-01", "endDate": "2025-08-01"},
    ),
    Step("listTerms", SCHOOL_1),
    Step("closeDay", {"schoolId": 1, "day": "2025-02-03"}, body={"reason": "Training of teachers"}),
    Step("closeDays", SCHOOL_1, body={"from": "2024-12-23", "to": "2024-12-24", "reason": "Holidays"}),
    Step("listClosedDays", SCHOOL_1, {"from": "2024-12-01", "to": "2025-02-28"}),
    Step("openDay", {"schoolId": 1, "day": "2025-02-03"}),
    Step("openDays", SCHOOL_1, {"from": "2024-12-23", "to": "2024-12-24"}),
    Step("removeTerm", {"schoolId": 1, "id": 1}),
    Step(
        "replaceTimes",
        {"id": 1},
        {"validFrom": "2024-09-02"},
        {"times": [{"weekday": day, "begins": "08:00", "ends": "08:45"} for day in (4, 5)]},
    ),
    Step("getTimes", {"id": 1}, {"date": DAY}),
    Step(
        "importTimetable",
        SCHOOL_1,
        {"validFrom": "2024-09-02"},
        b"class,session,weekday,begins,ends\nma-8c,2,1,09:00,09:45\n",
        CSV,
    ),
    Step("listStatuses", SCHOOL_1),
    Step(
        "addStatus",
        SCHOOL_1,
        body={
            "code": "trip",
            "label": "Class trip",
            "letter": "T",
            "countsAs": "attended",
            "flags": ["off_site"],
        },
    ),
    Step("changeStatus", {"schoolId": 1, "code": "trip"}, body={"label": "Excursion", "position": 5}),
    Step("getSetup", SCHOOL_1),
    Step("confirmSetupStep", {"schoolId": 1, "step": "terms"}, body={"confirmed": True}),
    Step("changeSetup", SCHOOL_1, body={"dismissed": True}),
)
PEOPLE: Final[Sequence[Step]] = (
    Step(
        "addUser",
        body={
            "email": VIEWER,
            "role": "viewer",
            "schoolId": 1,
            "givenName": "Joan",
            "familyName": "Clarke",
        },
    ),
    Step("addUser", body={"email": TEACHER, "role": "teacher", "schoolId": 1, "teacher": "t-1"}),
    Step("listUsers", query={"schoolId": 1, "limit": 2}),
    Step("searchUsers", body={"q": "hopper"}),
    Step("getUser", {"id": 4}),
    Step("changeUser", {"id": 4}, body={"role": "office"}),
    Step("unlockUser", {"id": 4}),
    Step("signOutUser", {"id": 4}),
    Step("resetPassword", {"id": 4}),
    Step("createToken", body={"username": VIEWER, "password": PASSWORD}, media=FORM, caller=None, before="password"),
    Step("getProfile", caller="viewer", before="sign in"),
    Step("changeProfile", body={"language": "de"}, caller="viewer"),
    Step("changePassword", body={"password": PASSWORD, "newPassword": f"{PASSWORD} 2"}, caller="viewer"),
    Step("confirmSignIn", body={"password": f"{PASSWORD} 2"}, caller="viewer"),
    Step("listSignIns", caller="viewer"),
    Step("endSignIn", {"id": 0}, caller="viewer", before="another sign-in"),
    Step("endOtherSignIns", caller="viewer"),
    Step("beginTotp", caller="viewer"),
    Step("addTotp", body={"setup": SETUP, "code": CODE, "name": "Telephone"}, caller="viewer"),
    Step("listSecondFactors", caller="viewer"),
    Step("renewRecoveryCodes", caller="viewer"),
    Step("renameSecondFactor", {"kind": "totp", "id": 1}, body={"name": "Tablet"}, caller="viewer"),
    Step("removeSecondFactor", {"kind": "totp", "id": 1}, caller="viewer"),
    Step("revokeToken", body={"token": TOKEN}, media=FORM, caller=None),
    Step("previewUserErasure", {"id": 3}),
    Step("eraseUser", {"id": 3}),
    Step("readmitUser", body={"schoolId": 1, "sourcedId": "t-2"}),
    Step(
        "createKey",
        body={
            "name": "School platform",
            "permissions": ["attendance:create", "batch:read", "roster:read"],
            "schools": [1],
            "networks": ["192.0.2.0/24"],
        },
    ),
    Step("listKeys"),
    Step("getKey", {"id": 1}),
    Step("changeKey", {"id": 1}, body={"name": "Timetable", "expiresAt": "2025-08-01T00:00:00Z"}),
    Step("rotateKey", {"id": 1}, body={"overlapSeconds": 3600}),
    Step("revokeKey", {"id": 1}),
)
WEBHOOKS: Final[Sequence[Step]] = (
    Step(
        "createWebhook",
        body={
            "url": "http://127.0.0.1:1/hooks",
            "eventTypes": ["batch.completed", "register.missing"],
            "schoolId": 1,
        },
    ),
    Step("listWebhooks"),
    Step("getWebhook", {"id": 1}),
    Step("changeWebhook", {"id": 1}, body={"inOrder": False}),
    Step("testWebhook", {"id": 1}),
    Step("listDeliveries", {"id": 1}),
    Step("rotateWebhook", {"id": 1}, body={"overlapSeconds": 3600}),
)
ABSENCES: Final[Sequence[Step]] = (
    Step(
        "enterAbsence",
        body={
            "studentIds": [4],
            "from": DAY,
            "to": "2025-01-03",
            "status": "excused",
            "reason": "family",
        },
    ),
    Step("listAbsences", query={"schoolId": 1}),
    Step("searchAbsences", body={"q": "noether"}),
    Step("getAbsence", {"id": 1}),
    Step("changeAbsence", {"id": 1}, body={"to": "2024-12-22"}, version='"1"'),
    Step("listAbsenceVersions", {"id": 1}),
)
ATTENDANCE: Final[Sequence[Step]] = (
    Step("listRegisters", query={"schoolId": 1, "date": DAY}),
    Step("listMissingRegisters", query={"schoolId": 1, "date": DAY}),
    Step("remindTeachers", body={"schoolId": 1, "date": DAY}),
    Step("listReminders", query={"schoolId": 1}),
    Step(
        "createBatch",
        body={
            **LESSON,
            "learningDate": DAY,
            "isSelectedAll": True,
            "unselectedStudentIds": [2],
            "marks": [{"studentId": 3, "status": "late", "note": "bus", "arrivedAt": "08:10"}],
        },
    ),
    Step("cancelBatch", BATCH),
    Step("createBatch", body={**LESSON, "learningDate": DAY, "isSelectedAll": True, "unselectedStudentIds": [2]}),
    Step("retryBatch", BATCH, before="process with a failure"),
    Step("getBatchStatus", BATCH, before="process"),
    Step("listBatches", query={"classId": 1}),
    Step("getBatch", BATCH, {"limit": 2}),
    Step("streamBatch", BATCH),
    Step(
        "importMarks",
        query={"schoolId": 1},
        body=b"class,session,student,date,status\nma-7b,1,s-1,2024-12-19,present\nma-7b,1,s-2,2024-12-19,absent\n",
        media=CSV,
    ),
    Step("undoBatch", EARLIER_BATCH, body={"reason": "wrong file"}, before="process"),
    Step("listAttendances", query={"classId": 1, "limit": 2}),
    Step("getAttendance", {"id": 2}),
    Step("correctAttendance", {"id": 2}, body={"status": "excused", "reason": "seen at the gate"}, version='"1"'),
    Step("listAttendanceChanges", {"id": 2}),
    Step("correctAttendance", {"id": 2}, body={"status": "present"}, version='"2"', caller="teacher"),
    Step("listContradictions", query={"schoolId": 1}),
    Step("settleContradiction", {"id": 1}, body={"holds": "recorded", "reason": "seen at the gate"}),
    Step("clearAttendance", {"id": 2}, {"reason": "wrong child"}, version='"2"'),
    Step("createBatch", body={**LESSON, "learningDate": DAY, "isSelectedAll": True}),
    Step("listStudentsToCall", query={"schoolId": 1, "date": DAY}, before="process"),
    Step(
        "enterContact",
        body={"studentId": 2, "date": DAY, "result": "reached", "person": "mother", "note": "flu"},
    ),
    Step("listContacts", query={"schoolId": 1}),
    Step("revokeAbsence", {"id": 1}, version='"2"'),
    Step(
        "createDeskEntry",
        body={"kind": "departure", "studentId": 3, "date": DAY, "time": "08:30", "reason": "doctor"},
    ),
    Step("listDeskEntries", query={"schoolId": 1}, before="process"),
    Step("completeDeskEntry", {"id": 1}),
    Step("undoDeskEntry", {"id": 1}),
)
COVERS: Final[Sequence[Step]] = (
    Step("listNeededCovers", query={"teacherId": 2, "from": DAY, "to": DAY}),
    Step("assignCover", body={"classId": 1, "teacherId": 2, "from": "2025-01-06", "to": "2025-01-10"}),
    Step(
        "assignCovers",
        body={"covers": [{"classId": 1, "sessionId": 1, "teacherId": 2, "from": "2025-01-13", "to": "2025-01-14"}]},
    ),
    Step("listCovers", query={"classId": 1}),
    Step("endCover", {"id": 1}),
)
REPORTS: Final[Sequence[Step]] = (
    Step("listRates", query={**PERIOD, "by": "class"}, before="process"),
    Step("listChronicAbsence", query={**PERIOD, "leastDays": 1}),
    Step("listAbsencesInARow", query={**PERIOD, "leastDays": 1}),
    Step("listUnexplainedAbsences", query=PERIOD),
    Step("listStudentsOnSite", query=SCHOOL_1),
    Step("listUnknownStudents", query=SCHOOL_1),
    Step("getStudentReport", {"id": 2}, PERIOD),
)
PRIVACY: Final[Sequence[Step]] = (
    Step("placeHold", {"id": 2}, body={"reason": "litigation", "reference": "AZ 4/24"}),
    Step("listHolds"),
    Step("liftHold", {"id": 1}),
    Step("exportStudent", {"id": 2}),
    Step("mergeStudents", {"id": 1}, body={"removedStudentId": 5, "allowDifferentNames": True}),
    Step("listMerges", {"id": 1}),
    Step("eraseStudent", {"id": 3}),
    Step("readmitStudent", {"id": 1}, body={"sourcedId": "s-3"}),
    Step("previewRetention", {"id": 1}, body={"records": 3, "notes": 1}),
    Step("setRetention", {"id": 1}, body={"records": 3, "notes": 1, "confirmation": CONFIRMATION}),
    Step("getRetention", {"id": 1}),
    Step("previewDefaultRetention", body={"records": 5}),
    Step("setDefaultRetention", body={"records": 5, "confirmation": CONFIRMATION}),
    Step("getDefaultRetention"),
)
LAST: Final[Sequence[Step]] = (
    Step("listEvents", query={"types": "attendance.corrected", "limit": 2}),
    Step("replayEvents", {"id": 1}, body={"since": "2024-12-20T00:00:00Z", "until": "2024-12-21T00:00:00Z"}),
    Step("deleteWebhook", {"id": 1}, before="a receiver that is gone"),
    Step("listAuditEntries", query={"limit": 1, "action": "user_added"}),
    Step("getMetrics"),
)
STEPS: Final[Sequence[Step]] = (
    *OPERATIONS,
    *ROSTER,
    *CALENDAR,
    *PEOPLE,
    *WEBHOOKS,
    *ABSENCES,
    *ATTENDANCE,
    *COVERS,
    *REPORTS,
    *PRIVACY,
    *LAST,
)
