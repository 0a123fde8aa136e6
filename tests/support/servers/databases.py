"""Migrated, empty Postgres databases for tests. One that was used is emptied for the next test, where that is safe."""

from __future__ import annotations

import itertools
import subprocess

from tests.support.servers.postgres import Postgres

# A new database is a copy of some 400 files, and its first connection builds caches that later ones find: several times
# the work of emptying one. Foreign keys are not looked at meanwhile, as everything goes.
_EMPTY = """DO $$
DECLARE each regclass;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    FOR each IN SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    LOOP EXECUTE format('DELETE FROM %s', each); END LOOP;
    FOR each IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
    LOOP PERFORM setval(each, 1, false); END LOOP;
END $$"""

# What a test may have changed that emptying does not bring back. Of a table with many dead rows the next test would
# measure the size; and one that was analysed would be taken for as large as it was then.
_SHAPE = """SELECT md5(concat_ws('|',
    (SELECT string_agg(oid || relname, ',' ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_attribute), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_constraint),
    (SELECT sum(relpages) || sum(reltuples)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_proc), (SELECT string_agg(version_num, ',') FROM alembic_version),
    (SELECT bool_or(pg_relation_size(oid) > 1000000) FROM pg_class WHERE relnamespace = 'public'::regnamespace)))"""


class Databases:
    """The databases of one server, made from one template."""

    def __init__(self, postgres: Postgres, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._shape = postgres.ask(template, _SHAPE)
        self._numbers = itertools.count()
        self._empty: list[str] = []

    def take(self) -> str:
        """The name of one that is empty."""
        if self._empty:
            return self._empty.pop()
        name = f"adsum_test_{next(self._numbers)}"
        self._postgres.run(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        return name

    def give_back(self, name: str) -> None:
        """Empties one that nobody uses any more, whoever is connected to it; or drops it, if it was changed."""
        try:
            shape = self._postgres.ask(name, _EMPTY, _SHAPE)
        except subprocess.CalledProcessError:
            shape = "a table that was there is not"
        if shape == self._shape:
            self._empty.append(name)
        else:
            self._postgres.run(f"DROP DATABASE {name} WITH (FORCE)")
