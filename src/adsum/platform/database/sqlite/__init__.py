"""SQLite: opening its files, and a cursor of its connections."""
