"""Reading OneRoster 1.1 and 1.2 CSV files: bytes in, typed records out, with every violation by file and row.

Nothing here knows of a database, and no violation ever holds a name: only files, rows, columns and ids.
"""
