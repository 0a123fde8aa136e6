"""Import of marks from a file. A class of a day becomes an ordinary submission: no record says that it was imported."""
