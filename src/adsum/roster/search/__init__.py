"""One search for students, classes and people."""
