"""SQL over the lake's files, in the common subset of DuckDB 1.5 and 2.0.

A query names its files one by one: what it reads is settled when it starts, whatever lands or is
compacted meanwhile. Columns are found by their number in the file, so files of an older
declaration read as nulls in the columns they lack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from tiktok_ns_pipeline.lake.lazily import arrow, arrow_compute, arrow_parquet
from tiktok_ns_pipeline.lake.tables import Column, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from tiktok_ns_pipeline.lake.storage import Storage

_BATCH = 1_000
"""Rows of a file that are unpacked at once."""


def open_connection(storage: Storage) -> DuckDBPyConnection:
    """A DuckDB in memory that reads this storage and tells instants in UTC."""
    connection = _connected()
    storage.open_to(connection)
    return connection


def open_reader(storage: Storage) -> DuckDBPyConnection:
    """As `open_connection`, for queries alone: who makes a view shows it to others.

    To open a DuckDB takes longer than many a query, so a process has one for all its folders.
    """
    return _local_files().cursor() if storage.is_local else open_connection(storage)


@cache
def _local_files() -> DuckDBPyConnection:
    return _connected()


def _connected() -> DuckDBPyConnection:
    import duckdb

    # Nothing may be fetched from the network behind a query's back.
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def all_rows(table: Table, addresses: Sequence[str]) -> str:
    """A query for every row of these files, older versions included."""
    if not addresses:
        nothing = ", ".join(f"CAST(NULL AS {column.type}) AS {column.name}" for column in table.columns)
        return f"SELECT {nothing} WHERE false"
    files = ", ".join(_quoted(address) for address in addresses)
    columns = ", ".join(_numbered(number, column) for number, column in enumerate(table.columns, start=1))
    return f"SELECT * FROM read_parquet([{files}], schema = MAP {{{columns}}})"


def newest_rows(
    table: Table, addresses: Sequence[str], as_of: datetime | None = None, among: str = ""
) -> str:
    """A query for the newest version of each key, or the newest that had landed by an instant.

    `among` is a condition for all rows, older versions included.
    """
    order = ", ".join(f"{column} DESC NULLS LAST" for column in (*table.version, "landed_at"))
    landed = "" if as_of is None else f"landed_at <= {instant_literal(as_of)}"
    where = " AND ".join(condition for condition in (landed, among) if condition)
    return (
        f"SELECT * FROM ({all_rows(table, addresses)}) {f'WHERE {where}' if where else ''} "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(table.key)} ORDER BY {order}) = 1"
    )


def in_order(table: Table, columns: Sequence[str], rows: str, where: str = "") -> str:
    """A query for these columns, all if none is named, of a query's rows, in the order of the table's key.

    DuckDB works in threads and hands rows out in the order in which they happened to end.
    """
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {', '.join(columns) or '*'} FROM ({rows}){condition} ORDER BY {', '.join(table.key)}"


def fetch(connection: DuckDBPyConnection, query: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows as dictionaries; amounts are exact Decimal, instants timezone-aware UTC."""
    cursor = connection.cursor()
    try:
        cursor.execute(query, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, map(_exact, row), strict=True)) for row in cursor.fetchall()]
    finally:
        cursor.close()


def rows_of(content: bytes, columns: Sequence[str]) -> list[dict[str, Any]]:
    """All rows of one file, as `fetch` tells them."""
    file = arrow_parquet().ParquetFile(arrow().BufferReader(content))
    rows: list[dict[str, Any]] = file.read(columns=list(columns), use_threads=False).to_pylist()
    # A file of an older declaration lacks columns.
    return [{name: _exact(row.get(name)) for name in columns} for row in rows]


def rows_with(content: bytes, values: Mapping[str, Any], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of one file that have these values in their columns, as `fetch` tells them."""
    pc = arrow_compute()
    file = arrow_parquet().ParquetFile(arrow().BufferReader(content))
    there = [name for name in dict.fromkeys((*columns, *values)) if name in file.schema_arrow.names]
    for batch in file.iter_batches(_BATCH, columns=there, use_threads=False):
        found = batch
        for name, value in values.items():
            found = found.filter(pc.equal(found[name], arrow().scalar(value, found[name].type)))
        for row in found.select([name for name in columns if name in there]).to_pylist():
            yield {name: _exact(row.get(name)) for name in columns}


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        # A stored amount has twelve decimals; the amount itself has as many as it needs.
        return Decimal(format(value.normalize(), "f")) if value else Decimal(0)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return value


def _numbered(number: int, column: Column) -> str:
    return f"{number}: {{name: '{column.name}', type: '{column.type}', default_value: NULL}}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def instant_literal(instant: datetime) -> str:
    """An instant as a literal: views cannot carry parameters."""
    return f"TIMESTAMPTZ '{instant.astimezone(UTC).isoformat(sep=' ')}'"
