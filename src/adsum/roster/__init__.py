"""The roster: classes, sessions and students, who is enrolled and who teaches, and the people of a school.

`service.Directory` lists them, `service.Naming` gives names for ids; `commands` has `adsum student`, `class` and
`session`. The data come from three sides, which store the same rows:

- `importing`: an import of OneRoster files in one transaction (`steps.RosterSteps`), which `oneroster` reads. `syncing`
  fetches the same from a REST service.
- `by_source`: another platform sends one class, session, student or enrolment at a time.
- `demo`: the demo school.

The rest is about a part each: `repository/membership` says of which schools a student is, `repository/session_validity`
when a session is valid, `terms` bounds enrolments, `timetable` has the weekly times, `covers` the teachers who replace
others, `people` the logins, `student_contacts` whom to call, `search` the search for all of it, and `naming` finds what
a row of a file of marks or times means. `session_fence` orders what changes a session.
"""
