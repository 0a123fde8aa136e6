"""Real servers for the tests: a Valkey and a Postgres per pytest process, SQLite files copied from a template."""
