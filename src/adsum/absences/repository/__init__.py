"""Statements of absences: `planned` has the absences themselves, `records` those that they correct."""
