"""Planned absences, and what they do to marks; explaining unexplained ones.

The life of a planned absence:

1. Enter, change, revoke: `Absences` (`service`) validates it (`rules.validate_absence`), stores it with a version
   (`repository`), and returns its warnings (`rules.warnings_of`).
2. Fence: the same transaction advances the fences of all sessions of the students (`roster/session_fence`), so that
   no run opens that was decided without the absence.
3. Read: registers and submissions take the absence that applies to their session and day (`applies_to`; of several,
   `rules.absences_of_session`).
4. Precedence: `precedence.Precedence` replaces the requested mark by that of the absence, unless the office has set
   or sends the mark. A teacher's mark that differs becomes a disputed mark.
5. Apply: `apply.apply_absences` changes records that exist, in the transaction of step 1, and restores the marks before
   it where the absence no longer applies. Marks of open runs change after the run has ended: the absence waits in the
   table `due_absences`, and the leading sweeper calls `apply.DueAbsences`.

`unexplained` finds absences without an authorised status, and gives them one. `contacts` is the list of the day's
students to call, and the evidence of who was called. `transfers` warns in a roster import of
absences at the school that a student leaves. `page_data` and `pages` are the office's pages.
"""
