"""Holds: data of single students that nobody may delete for now."""
