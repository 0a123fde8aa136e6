"""Finds classes, sessions and students by the names that imported files use for them."""
