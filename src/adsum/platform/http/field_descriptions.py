"""Descriptions of the fields and parameters that mean the same wherever they occur in the API, by their names in JSON.

A field that means something else describes itself, with `Field(description=…)` in its `schemas.py`. The OpenAPI
description is made of both, so a text that many schemas share is neither repeated nor evaluated at start.
"""

from __future__ import annotations

from collections.abc import Mapping

_DAY = "as `YYYY-MM-DD` in the time zone of the school"
_TIME = "a local time of the school, `HH:MM`"
_MOMENT = "in UTC, such as `2024-12-25T07:30:00.123456Z`"
_ROLE = "`admin` (the command line, too), `office`, `teacher`, `viewer`, `operator`, or `key` for an API key"
_USER = "null: an API key without a person, or the command line"
_KEY = "The API key of the request that did this; null: none."

FIELDS: Mapping[str, str] = {
    # Ids
    "id": "A positive 64-bit integer that never changes and is never used again.",
    "schoolId": "The `id` of the school.",
    "classId": "The `id` of the class.",
    "sessionId": "The `id` of the session, which belongs to the class.",
    "studentId": "The `id` of the student.",
    "userId": "The `id` of the user.",
    "attendanceId": "The `id` of the attendance record.",
    "absenceId": "The `id` of the planned absence that the mark comes from; null: none.",
    "batchId": "`class-{classId}-session-{sessionId}-date-{DDMMYYYY}`. A batch has the same id for ever.",
    "runId": "The run, a UUID of version 7: one accepted submission of the batch.",
    "sourcedId": "The id in the roster: of the OneRoster file, or of the platform that sent it.",
    "classSourcedId": "The id of the class in the roster.",
    "sessionSourcedId": "The id of the session in the roster.",
    "studentSourcedId": "The id of the student in the roster.",
    # Names
    "givenName": "The given name, from the roster for people of the roster.",
    "familyName": "The family name, from the roster for people of the roster.",
    "grade": "The grades of the roster, such as `9`, or `9,10` for several; null: none.",
    "className": "The title of the class in the roster.",
    "classTitle": "The title of the class in the roster.",
    "sessionTitle": "The title of the session in the roster.",
    "email": "The email address, which is also the login.",
    # Days and times
    "learningDate": f"The day of the attendance, {_DAY}.",
    "date": f"The day, {_DAY}.",
    "day": f"The day, {_DAY}.",
    "from": f"The first day, {_DAY}.",
    "to": f"The last day, inclusive, {_DAY}.",
    "firstDay": f"The first day, {_DAY}.",
    "lastDay": f"The last day, inclusive, {_DAY}.",
    "beginDate": f"The first day, {_DAY}; null: no bound.",
    "endDate": f"The first day after it, {_DAY}; null: no bound.",
    "arrivedAt": f"The arrival, {_TIME}; null: not noted.",
    "leftAt": f"The departure, {_TIME}; null: not noted.",
    "oldArrivedAt": f"The arrival before the change, {_TIME}; null: none.",
    "newArrivedAt": f"The arrival after the change, {_TIME}; null: none.",
    "oldLeftAt": f"The departure before the change, {_TIME}; null: none.",
    "newLeftAt": f"The departure after the change, {_TIME}; null: none.",
    "fromTime": f"The beginning, {_TIME}; null: all day.",
    "toTime": f"The end, {_TIME}; null: all day.",
    "begins": f"The beginning, {_TIME}.",
    "ends": f"The end, {_TIME}.",
    # Moments
    "acceptedAt": f"The moment at which the run was accepted, {_MOMENT}.",
    "answeredAt": f"The moment of the response, {_MOMENT}.",
    "changedAt": f"The moment of the change, {_MOMENT}.",
    "completedAt": f"The moment at which the run ended, {_MOMENT}; null: it is open.",
    "contactedAt": f"The moment of the call, {_MOMENT}.",
    "createdAt": f"The moment of creation, {_MOMENT}.",
    "endedAt": f"The moment of the end, {_MOMENT}; null: it goes on.",
    "enteredAt": f"The moment of the entry, {_MOMENT}.",
    "expiresAt": f"The moment from which it no longer works, {_MOMENT}; null: never.",
    "lastUsedAt": f"The moment of the last use, {_MOMENT}, noted every few minutes; null: never used.",
    "liftedAt": f"The moment at which the hold was lifted, {_MOMENT}; null: it is in effect.",
    "markedAt": f"The moment of the newest mark, {_MOMENT}.",
    "mergedAt": f"The moment of the merge, {_MOMENT}; null: nothing was changed.",
    "placedAt": f"The moment at which the hold was placed, {_MOMENT}.",
    "remindedAt": f"The moment of the reminder, {_MOMENT}.",
    "revokedAt": f"The moment of the revocation, {_MOMENT}; null: it is not revoked.",
    "saidAt": f"The moment of the teacher's mark, {_MOMENT}.",
    "startedAt": f"The moment at which the run began, {_MOMENT}.",
    "undoneAt": f"The moment of the undo, {_MOMENT}; null: it was not undone.",
    # Authors
    "acceptedByRole": f"The role of the sender: {_ROLE}.",
    "changedByRole": f"The role of the author: {_ROLE}.",
    "changedRole": f"The role of the author: {_ROLE}.",
    "contactedByRole": f"The role of the caller: {_ROLE}.",
    "contactedRole": f"The role of the caller: {_ROLE}.",
    "createdByRole": f"The role of the author: {_ROLE}.",
    "enteredByRole": f"The role of the author: {_ROLE}.",
    "enteredRole": f"The role of the author: {_ROLE}.",
    "liftedByRole": f"The role of the person who lifted it: {_ROLE}; null: it is in effect.",
    "liftedRole": f"The role of the person who lifted it: {_ROLE}; null: it is in effect.",
    "markedByRole": f"The role of the author of the mark: {_ROLE}.",
    "markedRole": f"The role of the author of the mark: {_ROLE}.",
    "mergedRole": f"The role of the author of the merge: {_ROLE}.",
    "placedByRole": f"The role of the person who placed it: {_ROLE}.",
    "placedRole": f"The role of the person who placed it: {_ROLE}.",
    "remindedByRole": f"The role of the sender: {_ROLE}.",
    "saidByRole": f"The role of the teacher who set the mark: {_ROLE}.",
    "saidRole": f"The role of the teacher who set the mark: {_ROLE}.",
    "callerRole": "As in records, but `system` for the command line and the library; null: nobody had signed in.",
    "changedByUserId": f"The `id` of the author; {_USER}.",
    "contactedByUserId": f"The `id` of the user who called; {_USER}.",
    "createdByUserId": f"The `id` of the author; {_USER}.",
    "enteredByUserId": f"The `id` of the author; {_USER}.",
    "liftedByUserId": f"The `id` of the user who lifted it; {_USER}.",
    "placedByUserId": f"The `id` of the user who placed it; {_USER}.",
    "remindedByUserId": f"The `id` of the sender; {_USER}.",
    "saidByUserId": f"The `id` of the teacher; {_USER}.",
    "changedByKeyId": _KEY,
    "contactedByKeyId": _KEY,
    "createdByKeyId": _KEY,
    "enteredByKeyId": _KEY,
    "remindedByKeyId": _KEY,
    "saidByKeyId": _KEY,
    "callerKeyId": _KEY,
    # Marks and records
    "status": "The code of a status of the school: `present`, `absent`, `late`, `excused`, or one of its own.",
    "oldStatus": "The code of the status before the change; null: none.",
    "newStatus": "The code of the status after the change; null: the mark was cleared.",
    "note": "The note of the mark, up to 500 characters; null: none.",
    "oldNote": "The note before the change; null: none.",
    "newNote": "The note after the change; null: none.",
    "officeNote": "A note that only the office sees, up to 500 characters; null: none, or for others.",
    "version": "The number of the version, from 1. A change needs the newest one in `If-Match`.",
    "reason": "The reason that was given, up to 500 characters.",
    "countsAs": "The effect on rates. `not_expected` counts neither as attended nor as absent.",
    "flags": "More about the status, such as `late`, or `authorised` for an explained absence.",
    "label": "The name of the status on pages and in files.",
    "letter": "One character: the status on registers and its key.",
    # Batches
    "totalJobs": "The number of students of the run, with those that a retry took over.",
    "recordedJobs": "The number of students whose mark was recorded.",
    "skippedJobs": "The number of students who kept the record that they had.",
    "failedJobs": "The number of students whose mark could not be recorded.",
    "cancelledJobs": "The number of students whose job was cancelled.",
    "remainingJobs": "The number of students who are not settled yet; 0 when the run has ended.",
    "progress": "The settled students in percent, rounded down: 100 only when none remains.",
    "isLocked": "Whether a run of the batch is open.",
    "lockStatus": "`processing` while a run is open; null afterwards.",
    "isCompleted": "Whether every student of the run is settled.",
    "onExisting": "For students who have a record: keep it, correct it, or refuse the request with 409.",
    # Counts of reports
    "sessions": "The number of sessions with a mark.",
    "attended": "The number of sessions that count as attended.",
    "absent": "The number of sessions that count as absent, excused ones included.",
    "authorised": "The number of absent sessions with an authorised status.",
    "late": "The number of attended sessions with a late status.",
    "days": "The number of days with a mark.",
    "daysAbsent": "The number of days on which at least half of the time was missed.",
    "minutes": "The length of the sessions that have times, in minutes.",
    "minutesMissed": "Of `minutes`, those of absences, before arrivals and after departures.",
    "definition": "One sentence that explains what is counted.",
    "count": "The number of all of them.",
    # Lists and answers
    "items": "The entries, in the documented order.",
    "nextCursor": "The `cursor` of the next page; null: this is the last page.",
    "hasMore": "Whether there are more.",
    "code": "Stable: for programs.",
    "detail": "A sentence for people, which may change.",
    "warnings": "Unusual circumstances of a request that was accepted.",
    "dryRun": "Whether nothing was changed.",
    "confirmation": "A code of the preview, which confirms exactly this deletion.",
    # People and access
    "role": "The role, which determines the permissions.",
    "permissions": "The permissions of the key.",
    "active": "Whether the newest roster has it.",
    "lastAddress": "The IP address of the last use; null: never used.",
    "networks": "The addresses and networks (CIDR) from which the key works; null: from anywhere.",
    "owner": "The email of the user who is responsible for the key; null: none.",
    "disabled": "Whether the user can no longer sign in.",
    "password": "The password, up to 1,000 characters.",
    "timeZone": "The name of the time zone in the IANA database, such as `Europe/Berlin`.",
    "officeManagesLogins": "Whether the office manages the logins of teachers and viewers.",
    # The form of OAuth 2
    "grant_type": "`password`, or omitted.",
    "username": "The email address of the user, in upper or lower case.",
    "scope": "Ignored: a token has all permissions of its user.",
    "client_id": "Ignored: clients are not registered.",
    "client_secret": "Ignored: clients are not registered.",
    # Calls and holds
    "result": "How the call ended.",
    "person": "The person who was called, such as `mother`; null: not noted.",
    "reference": "The number of the case, up to 64 characters, without names and facts; null: none.",
    "phone": "A telephone number of the roster; null: none.",
    "time": f"The arrival or the departure, {_TIME}.",
    # Merges
    "removedStudentId": "The `id` of the record that is removed, or was.",
    "moved": "The numbers of rows that move to the kept student.",
    "records": "The number of attendance records.",
    "absences": "The number of planned absences.",
    "enrolments": "The number of enrolments.",
    "disputedMarks": "The number of disputed marks.",
    "failures": "The number of marks that could not be recorded.",
    "prefer": "Which of two records of a session and day holds: of the kept or of the removed student.",
}
"""The description of a field of a body, and of a parameter that is not in `PARAMETERS`."""

PARAMETERS: Mapping[tuple[str, str], str] = {
    ("query", "schoolId"): "Only of this school.",
    ("query", "classId"): "Only of this class.",
    ("query", "sessionId"): "Only of this session.",
    ("query", "studentId"): "Only of this student.",
    ("query", "from"): f"Only from this day on, {_DAY}.",
    ("query", "to"): f"Only until this day, inclusive, {_DAY}.",
    ("query", "grade"): "Only students of this grade of the roster.",
    ("query", "status"): "Only with this code of a status.",
    ("query", "sourcedId"): "Only the one with this id in the roster.",
    ("path", "batchId"): "`class-{classId}-session-{sessionId}-date-{DDMMYYYY}`.",
    ("path", "kind"): "`passkey`, or `totp` for an authenticator app.",
    ("header", "idempotency-key"): "Visible ASCII characters without blanks. A repetition of the request with the same "
    "key gets the first answer and changes nothing.",
}
"""The description of a parameter, by its place and its name."""

NAMES_IN_PATHS: Mapping[str, str] = {
    "absences": "planned absence",
    "attendances": "attendance record",
    "contradictions": "disputed mark",
    "covers": "cover",
    "desk-entries": "entry",
    "holds": "hold",
    "keys": "API key",
    "schools": "school",
    "sessions": "session",
    "sign-ins": "sign-in",
    "students": "student",
    "terms": "term",
    "users": "user",
    "webhooks": "webhook",
    "{kind}": "factor among those of its kind",
}
"""The name of the thing whose `id` follows this segment of a path."""


def of_field(name: str) -> str | None:
    """The description of a field of a body; None: it describes itself."""
    return FIELDS.get(name)


def of_parameter(place: str, name: str, path: str) -> str | None:
    """The description of a parameter of an operation; None: it describes itself."""
    if place == "path" and name == "id":
        before = path.partition("/{id}")[0].rpartition("/")[2]
        return f"The `id` of the {NAMES_IN_PATHS[before]}." if before in NAMES_IN_PATHS else None
    return PARAMETERS.get((place, name)) or FIELDS.get(name)
