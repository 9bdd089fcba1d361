"""The lake: what every system said and what was concluded from it, unchanged, and for ever but for whole
listings of one day that a later one replaced long ago.

Rows land in new immutable Parquet files; DuckDB in memory reads them. There is no database file:
writers are many (runs, the webserver, the command line) and a DuckDB file has one writing process
at a time (D C.2).

Views: `<table>` holds the newest version of each key, `<table>_all` every version ever landed. As
of an instant, both show what had landed by then, so a past day can be reopened as it was seen.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.lake import compaction, landing, naming, reading
from tiktok_ns_pipeline.lake.compaction import Compaction
from tiktok_ns_pipeline.lake.landing import LandingError
from tiktok_ns_pipeline.lake.storage import storage_at
from tiktok_ns_pipeline.lake.tables import TABLES, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# A query that finds its files compacted away settles its files anew; twice in a row means that the
# grace is shorter than the query.
_ATTEMPTS = 3

_READ_DIRECTLY = 4
"""So few files are read before DuckDB has planned a query."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Landing:
    """One landed file. `path` is relative to the lake's root, None where there was nothing to land."""

    path: str | None
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LandedBeyond:
    """What landed beyond some files, and all files of this moment."""

    files: frozenset[str]
    rows: list[dict[str, Any]] = field(repr=False)


class Lake:
    """Tables of one root, a folder or a URL of an object store. Safe to share between threads."""

    def __init__(self, root_url: str, clock: Clock, *, durable: bool = True) -> None:
        """`durable=False` skips the disk barriers of a folder, for simulations only."""
        self._storage = storage_at(root_url, durable=durable)
        self._clock = clock
        self._lock = Lock()
        self._last_landing: datetime | None = None
        self._connection: DuckDBPyConnection | None = None

    def land(
        self, table: Table, rows: Iterable[Mapping[str, Any]], *, shop: str, day: date, run_id: str
    ) -> Landing:
        """Add rows of one shop and business day as one new file, complete or absent.

        Landing fills `shop`, `day`, `run_id` and `landed_at`; a row may name the first two, and then
        means them. No rows make no file, but for the tables in which a landing replaces the
        last one as a whole. Raises LandingError when a row does not fit the table.
        """
        landed_at = self._next_instant()
        common = {"shop": shop, "day": day, "run_id": run_id, "landed_at": landed_at}
        filed = [self._filed(table, row, common) for row in rows]
        if not filed and table.newest == "row":
            return Landing(None, 0, 0, "")
        content = landing.encode(table, filed)
        path = f"{naming.folder(table, shop, day)}/{naming.stem(landed_at)}{naming.DATA}"
        self._storage.put(path, content)
        return Landing(path, len(filed), len(content), hashlib.sha256(content).hexdigest())

    def land_many(
        self, table: Table, rows: Iterable[Mapping[str, Any]], *, shop: str, run_id: str
    ) -> list[Landing]:
        """Add rows that span days, one file a day; every row carries its `day`."""
        by_day: defaultdict[date, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            if not isinstance(row.get("day"), date):
                raise LandingError(f"a row of {table.name} does not say which day it belongs to")
            by_day[row["day"]].append(row)
        return [self.land(table, by_day[day], shop=shop, day=day, run_id=run_id) for day in sorted(by_day)]

    def current(
        self,
        table: Table,
        where: str = "",
        parameters: Sequence[Any] = (),
        *,
        shop: str | None = None,
        days: Collection[date] | None = None,
        columns: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """The newest version of each key, for which `where` holds (SQL with `?` markers).

        Naming the shop and the days spares reading the others; naming the columns spares the
        payloads. Amounts are Decimal, instants timezone-aware UTC.
        """
        return self._query(table, None, where, parameters, shop, days, columns)

    def as_of(
        self,
        table: Table,
        instant: datetime,
        where: str = "",
        parameters: Sequence[Any] = (),
        *,
        shop: str | None = None,
        days: Collection[date] | None = None,
        columns: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """What `current` would have told at an instant."""
        return self._query(table, instant, where, parameters, shop, days, columns)

    def landed_beyond(
        self, table: Table, known: Collection[str], *, since: datetime, shop: str, columns: Sequence[str]
    ) -> LandedBeyond:
        """The rows of a shop's unknown files that landed after an instant, at least the newest of each key.

        A compacted file also holds rows that landed before. Where nothing landed, no file is read.
        """

        def query() -> LandedBeyond:
            files = self._files(table, shop, None)
            news = [one for one in files if one not in known and not naming.landed_by(one, since)]
            if not news:
                return LandedBeyond(frozenset(files), [])
            if len(news) <= _READ_DIRECTLY:
                rows = [row for one in news for row in reading.rows_of(self._storage.read(one), columns)]
            else:
                newest = reading.newest_rows(table, self._addresses(news))
                rows = reading.fetch(self._reader(), reading.in_order(table, columns, newest), ())
            return LandedBeyond(frozenset(files), rows)

        return _settled(query)

    def landed_until(
        self,
        table: Table,
        instant: datetime | None,
        *,
        by: str,
        values: Sequence[str],
        shop: str,
        days: Collection[date] | None,
        columns: Sequence[str],
    ) -> list[dict[str, Any]]:
        """As `as_of`, or as `current` without an instant, of the rows with these values in a column which a
        key's rows agree in.

        That they agree lets the files' own indexes of values spare reading most of them.
        """

        def query() -> list[dict[str, Any]]:
            files = self._newest_files(table, instant, shop, days)
            if not files:
                return []
            among = f"{by} IN ({', '.join('?' for _ in values)})"
            newest = reading.newest_rows(table, self._addresses(files), instant, among)
            return reading.fetch(self._reader(), reading.in_order(table, columns, newest), values)

        return _settled(query)

    def landed_with(
        self,
        table: Table,
        values: Mapping[str, Any],
        *,
        shop: str,
        days: Collection[date],
        columns: Sequence[str],
    ) -> Iterator[dict[str, Any]]:
        """Every row of a shop's days that has these values in these columns, older versions included.

        Rows come one after the other, each version of a key once, so that many need little memory. `values`
        that name one version (such as the instant of reading) make it the rows of that version.
        """
        identity = (*table.key, *table.version)
        wanted = tuple(dict.fromkeys((*columns, *identity)))
        seen: set[tuple[Any, ...]] = set()
        for _ in range(_ATTEMPTS):
            try:
                for path in self._files(table, shop, days):
                    for row in reading.rows_with(self._storage.read(path), values, wanted):
                        version = tuple(row[name] for name in identity)
                        if version not in seen:
                            seen.add(version)
                            yield {name: row[name] for name in columns}
                return
            except FileNotFoundError:
                # Compacted away meanwhile; what was told already is not told again.
                continue
        raise FileNotFoundError(f"the files of {table.name} go faster than they can be read")

    def last_landing(self, table: Table, *, shop: str) -> datetime | None:
        """When rows of a shop landed last, by the names of its files; None where none ever did.

        A compaction counts as a landing.
        """
        names = [naming.name_of(path) for path in self._files(table, shop, None)]
        return naming.landed_at(max(names)) if names else None

    def connect(self, as_of: datetime | None = None, tables: Iterable[Table] = TABLES) -> DuckDBPyConnection:
        """A DuckDB in memory with both views of these tables; the caller closes it.

        The views show the files of this moment: connect again to see what landed since.
        """
        connection = reading.open_connection(self._storage)
        for table in tables:
            files = self._addresses(self._files(table, None, None))
            newest = self._addresses(self._newest_files(table, as_of, None, None))
            landed = "" if as_of is None else f" WHERE landed_at <= {reading.instant_literal(as_of)}"
            every = f"SELECT * FROM ({reading.all_rows(table, files)}){landed}"
            connection.execute(f"CREATE VIEW {table.name}_all AS {every}")
            connection.execute(f"CREATE VIEW {table.name} AS {reading.newest_rows(table, newest, as_of)}")
        return connection

    def tables_present(self) -> list[Table]:
        """The tables that something has landed in."""
        return [table for table in TABLES if self._storage.files(naming.folder(table))]

    def compact(self, table: Table, grace: timedelta, *, at_least: int = 8) -> Compaction:
        """Put the small files of each day together, where there are at least so many.

        Replaced files stay for `grace`, which must be longer than any query or open connection, and
        go with the first compaction after it. Tables whose landings replace each other as a whole
        are left alone: their current view reads one file anyway.
        """
        if table.newest != "row":
            return Compaction(0, 0, 0)
        now = self._next_instant()
        removed = compaction.remove_replaced(self._storage, self._listing(table, None, None), now - grace)
        merged, written = compaction.compact(
            self._storage, table, self._listing(table, None, None), now, at_least
        )
        return Compaction(merged, written, removed)

    def forget_replaced(self, table: Table, kept: timedelta) -> int:
        """Remove landings that a later one of the same shop and day replaced as a whole, longer ago than
        `kept`; how many files that were.

        What is current, now or as of any instant since then, stays. A connection that was opened before may
        miss what is removed: connect again. Tables whose landings add rows are left alone.
        """
        if table.newest == "row":
            return 0
        before = self._clock.now() - kept
        old: defaultdict[str, list[str]] = defaultdict(list)
        for path in self._listing(table, None, None):
            if naming.landed_by(path, before):
                old[naming.folder_of(path)].append(path)
        replaced = [path for files in old.values() for path in sorted(files)[:-1]]
        for path in replaced:
            self._storage.remove(path)
        return len(replaced)

    def sweep(self, older_than: timedelta = timedelta(hours=1)) -> int:
        """Remove what killed writers left aside; how many files that were."""
        return self._storage.sweep(naming.stamp(self._clock.now() - older_than))

    def close(self) -> None:
        """Give back what reading holds; the next read opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @staticmethod
    def _filed(table: Table, row: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
        for name in ("shop", "day"):
            if row.get(name, common[name]) != common[name]:
                raise LandingError(
                    f"a row of {table.name} is of {name} {row[name]}, landed as {common[name]}"
                )
        return {**row, **common}

    def _next_instant(self) -> datetime:
        """Now, but later than any landing before: two landings never share an instant."""
        with self._lock:
            now = self._clock.now()
            if self._last_landing is not None and now <= self._last_landing:
                now = self._last_landing + timedelta(microseconds=1)
            self._last_landing = now
            return now

    def _query(
        self,
        table: Table,
        as_of: datetime | None,
        where: str,
        parameters: Sequence[Any],
        shop: str | None,
        days: Collection[date] | None,
        columns: Sequence[str],
    ) -> list[dict[str, Any]]:
        if unknown := set(columns) - set(table.column_names):
            raise ValueError(f"table {table.name} has no column {', '.join(sorted(unknown))}")

        def query() -> list[dict[str, Any]]:
            files = self._newest_files(table, as_of, shop, days)
            if not files:
                return []
            newest = reading.newest_rows(table, self._addresses(files), as_of)
            return reading.fetch(self._reader(), reading.in_order(table, columns, newest, where), parameters)

        return _settled(query)

    def _reader(self) -> DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = reading.open_reader(self._storage)
            return self._connection

    def _addresses(self, paths: Iterable[str]) -> list[str]:
        return [self._storage.address(path) for path in paths]

    def _listing(self, table: Table, shop: str | None, days: Collection[date] | None) -> list[str]:
        if shop is not None and days is not None:
            folders = [naming.folder(table, shop, day) for day in sorted(set(days))]
            return [path for folder in folders for path in self._storage.files(folder)]
        paths = self._storage.files(naming.folder(table, shop))
        return paths if days is None else [path for path in paths if naming.day_of(path) in days]

    def _files(self, table: Table, shop: str | None, days: Collection[date] | None) -> list[str]:
        return compaction.live(self._storage, self._listing(table, shop, days))

    def _newest_files(
        self, table: Table, as_of: datetime | None, shop: str | None, days: Collection[date] | None
    ) -> list[str]:
        """The files that the newest rows lie in."""
        files = self._files(table, shop, days)
        if table.newest == "row":
            return files
        newest: dict[str, str] = {}
        for path in files:
            group = naming.folder_of(path) if table.newest == "day" else table.name
            landed = as_of is None or naming.landed_by(path, as_of)
            if landed and naming.name_of(path) > naming.name_of(newest.get(group, "")):
                newest[group] = path
        return list(newest.values())


def _settled(query: Callable[[], _Answer]) -> _Answer:
    """Ask again when a compaction's grace ended between listing the files and reading them."""
    import duckdb

    for _ in range(_ATTEMPTS - 1):
        try:
            return query()
        except (duckdb.IOException, FileNotFoundError):
            continue
    return query()
