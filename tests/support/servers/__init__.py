"""Real servers for the tests: a Valkey and a Postgres for each pytest process, SQLite files from a template."""
