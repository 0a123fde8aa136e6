"""Fault tests on real processes: no crash, cut connection or lost reply at any step breaks a promise."""
