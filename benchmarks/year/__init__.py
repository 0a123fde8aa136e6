"""Measures the reports of a school year with 2,000 students, on both databases."""
