"""Faults on real processes: what a crash, a cut or a lost reply at any step does to what was promised. Nothing."""
