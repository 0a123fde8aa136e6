"""What people feel of the pages: `python -m benchmarks.pages`."""
