"""Retention: how many years data are kept, what would go, and the run that deletes it."""
