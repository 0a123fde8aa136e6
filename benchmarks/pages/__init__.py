"""Measures the pages in a browser: `python -m benchmarks.pages`."""
