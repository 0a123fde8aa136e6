"""Measures Adsum and its alternatives: `./adsum bench`."""
