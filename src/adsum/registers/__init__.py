"""Registers: which classes were marked in a session on a day, and the pages on which they are marked.

- `service`: registers that are due; `rules` decides their states. `page_data`: the timetable of a day (`/today`).
- `day_roster`: the roster of a class on a day, with the statuses of planned absences.
- `sheets`: taking a register (`/take/…`). `order`: the order of its students, which is chosen for the class.
- `reminders`: the office reminds the teachers of missing registers.
- `desk`: late arrivals and early departures (`/desk`), applied to the registers of the day. `completion` makes their
  marks, `returns` ends the absence of students who come back, `places` says where a student is.
- `overview`: the day of a school for the office (`/overview`).
- `on_site`: the students who are on site now (`/house`).
"""
