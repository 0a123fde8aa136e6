"""Reports: attendance rates, chronic absence, absences in a row, unexplained absences, and the school year.

- `rules`: what is counted, the default of each report, and the default period. `definitions` explains it in sentences.
- `service`: the reports, and `Summaries`, which keeps the tables of summaries up to date.
- `year`: the numbers of the pages below `/year`; `heat_maps` draws their calendars. `selection` reads the school, the
  period and the filters from their query.
- `student`: the page of a student (`/year/students/…`). `unexplained`: the list of unexplained absences
  (`/year/unexplained`). `explaining`: the forms with which both explain absences.
- `repository`: `summaries` writes the tables of summaries, `reading` reads them as the caller may see them.
  `unmarked` finds the students without a mark in partly taken registers.
"""
