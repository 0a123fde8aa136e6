"""All tests: no settings from outside, and real servers from `tests/servers`."""

pytest_plugins = ["tests.servers.fixtures"]
