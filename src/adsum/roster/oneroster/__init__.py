"""Reads OneRoster 1.1 and 1.2 CSV files into typed records, and collects every violation by file and row.

No module here uses the database. No violation contains a name: only files, rows, columns and ids.
"""
