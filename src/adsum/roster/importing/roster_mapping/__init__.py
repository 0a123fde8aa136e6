"""Maps the records of OneRoster files to staged rows, one module for each file."""
