"""The data of students and staff as the law sees them: known, exported, erased, kept for a time, held.

- `service.StudentData` exports and erases the data of one student. `repository/export` names all that is stored about
  them, `repository/erasure` what goes, `repository/references` where else an id stands. `schemas` is the form of the
  export, `record_schemas` that of the records in it; `access` says who may. `commands` adds `export`, `erase` and
  `readmit` to `adsum student`, which `roster.commands` defines.
- `merging` moves everything of one record of a student to another one.
- `staff` erases users. `holds` keeps data of single students from all of these.
- `retention` deletes what is older than its period; `years` archives and drops whole school years.
"""
