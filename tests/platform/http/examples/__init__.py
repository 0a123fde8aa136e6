"""The examples of the OpenAPI description: see `scenario.py`."""
