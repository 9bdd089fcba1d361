"""One way to open the ledger's database: PostgreSQL in production, SQLite embedded.

SQLite runs in WAL mode with `BEGIN IMMEDIATE` for writing transactions and a busy time-out, because
its busy handler is unfair (D C.3): transactions are short and none spans an HTTP call.
Migrations run from empty by themselves; a database that is newer than the code is refused.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

_BUSY_TIMEOUT_MS = 20_000
_MIGRATIONS = Path(__file__).parent / "migrations"


class LedgerError(Exception):
    """The ledger cannot be used as it is; the message says what to do."""


def open_engine(url: str, *, durable: bool = True) -> sa.Engine:
    """Open a database by URL: `sqlite:///path`, `sqlite://` (memory) or `postgresql+psycopg2://…`.

    `durable=False` skips the disk barrier of SQLite, for simulations only. Whoever opens the same
    database in one process shares its connections, but for those in memory; after `dispose` the next
    use connects anew.
    """
    in_memory = sa.engine.make_url(url).database in (None, "", ":memory:")
    return _make_engine(url, durable) if in_memory else _shared_engine(url, durable)


def _make_engine(url: str, durable: bool) -> sa.Engine:
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    backend = sa.engine.make_url(url)
    if backend.get_backend_name() == "sqlite":
        return _open_sqlite(backend, durable=durable)
    if backend.get_backend_name() == "postgresql":
        return sa.create_engine(backend, pool_size=4, max_overflow=8, pool_pre_ping=True)
    raise LedgerError(f"the ledger runs on SQLite or PostgreSQL, not on {backend.get_backend_name()}")


# An engine remembers the SQL of its statements, whose making costs more than their execution; a
# process that looks into the ledger every few seconds should pay for it once.
_shared_engine = lru_cache(maxsize=8)(_make_engine)


def _open_sqlite(url: sa.URL, *, durable: bool) -> sa.Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    pool = {"poolclass": sa.StaticPool} if in_memory else {}
    engine = sa.create_engine(url, connect_args={"check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        writes = connection.get_execution_options().get("ledger_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def insert_or_skip(table: sa.Table) -> sa.Insert:
    """An INSERT that leaves alone what is there already."""
    return _insert(table, "ON CONFLICT DO NOTHING")


def insert_or_update(
    table: sa.Table, *, key: Sequence[str], changing: Sequence[str], adding: Sequence[str] = ()
) -> sa.Insert:
    """An INSERT that changes some columns where a row of the same key is there already, and adds to
    others."""
    changes = [f"{name} = excluded.{name}" for name in changing]
    changes += [f"{name} = {table.name}.{name} + excluded.{name}" for name in adding]
    return _insert(table, f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}")


def _insert(table: sa.Table, on_conflict: str) -> sa.Insert:
    """Both databases know the clause in the same words.

    SQLAlchemy's own words for it, one set for each database, are compiled anew at every execution.
    """
    statement = sa.insert(table)
    statement._post_values_clause = sa.text(on_conflict)  # pyright: ignore[reportPrivateUsage]
    return statement


@contextmanager
def transaction(engine: sa.Engine, *, writes: bool = True) -> Generator[sa.Connection]:
    """One short transaction; commits at the end, rolls back on any error."""
    with engine.connect().execution_options(ledger_writes=writes) as connection, connection.begin():
        yield connection


def migrate(engine: sa.Engine) -> None:
    """Bring the database to the code's version; raises LedgerError when it is newer than the code."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

    scripts = _scripts()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise LedgerError(
            f"the ledger database is at version {current}, which this code does not know "
            f"(it knows up to {scripts.get_current_head()}). Start the newer code, or restore a backup "
            "of the older database."
        )
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Two processes that start together migrate one after the other.
            connection.exec_driver_sql("SELECT pg_advisory_lock(7402118)")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
            connection.commit()
        finally:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_unlock(7402118)")
                connection.commit()


@cache
def _scripts() -> ScriptDirectory:
    """The migrations that this code knows, read once a process."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(_MIGRATIONS))
