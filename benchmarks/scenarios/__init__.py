"""Scenarios of a round. Each starts its own processes on its own data."""
