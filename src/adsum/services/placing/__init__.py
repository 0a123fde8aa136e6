"""Placing what the files say among the schools that Adsum knows: each record as staged rows, or as flaws."""
