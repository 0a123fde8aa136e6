"""Migrated, empty Postgres databases for tests. Used ones are emptied and reused if their schema is unchanged."""

from __future__ import annotations

import itertools

from tests.support.servers.postgres import Postgres, Session

# Creating a database copies some 400 files, and its first connection builds caches: several times the work of emptying
# one. Foreign keys are not checked, since all rows are deleted.
_EMPTY = """DO $$
DECLARE each regclass;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    FOR each IN SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND relname NOT IN ('alembic_version', 'schema_compatibility') AND pg_relation_size(oid) > 0
    LOOP EXECUTE format('DELETE FROM %s', each); END LOOP;
    FOR each IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
    LOOP PERFORM setval(each, 1, false); END LOOP;
END $$"""

# Changes that deleting rows does not undo: the schema, many dead rows, which distort sizes, and statistics of an
# analysed table, which distort query plans.
_SHAPE = """SELECT md5(concat_ws('|',
    (SELECT string_agg(oid || relname, ',' ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_attribute), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_constraint),
    (SELECT sum(relpages) || sum(reltuples)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_proc), (SELECT string_agg(version_num, ',') FROM alembic_version),
    (SELECT string_agg(compatible_from, ',') FROM schema_compatibility),
    (SELECT bool_or(pg_relation_size(oid) > 100000) FROM pg_class WHERE relnamespace = 'public'::regnamespace)))"""


class Databases:
    """The databases of one server, created from one template."""

    def __init__(self, postgres: Postgres, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._shape = postgres.ask(template, _SHAPE)
        self._numbers = itertools.count()
        self._empty: list[str] = []
        self._sessions: dict[str, Session] = {}

    def take(self) -> str:
        """Returns the name of an empty database."""
        if self._empty:
            return self._empty.pop()
        name = f"adsum_test_{next(self._numbers)}"
        self._postgres.run(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        return name

    def give_back(self, name: str) -> None:
        """Empties an unused database and ends its connections. Drops it if it was changed."""
        # It stays connected: to begin a session takes several times the work of emptying the database.
        if name not in self._sessions:
            self._sessions[name] = Session(self._postgres, name)
        if self._sessions[name].ask(_EMPTY, _SHAPE) == self._shape:
            self._empty.append(name)
        else:
            self._sessions.pop(name).close()
            self._postgres.run(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Ends all sessions."""
        for session in self._sessions.values():
            session.close()
