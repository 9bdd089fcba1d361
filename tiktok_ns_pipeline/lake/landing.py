"""Rows into the bytes of one Parquet file, exactly or not at all.

A row that does not fit its table is the caller's mistake and refused by name: an unknown column, a
missing required value, an instant without a zone, an amount that is a float. Only what a payload
may really contain and UTF-8 cannot (a lone half of a surrogate pair) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tiktok_ns_pipeline.lake.lazily import arrow, arrow_parquet
from tiktok_ns_pipeline.lake.tables import Column, Table


class LandingError(ValueError):
    """Rows that do not fit their table. Nothing was written."""


def encode(table: Table, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as a Parquet file of the table's schema. Raises LandingError."""
    _refuse_unknown_columns(table, rows)
    schema = table.arrow_schema()
    arrays = [
        _array(table, column, field.type, [row.get(column.name) for row in rows])
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return parquet(arrow().table(arrays, schema=schema))


def parquet(content: Any) -> bytes:
    """A `pyarrow.Table` as a Parquet file."""
    sink = arrow().BufferOutputStream()
    arrow_parquet().write_table(content, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _refuse_unknown_columns(table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    known = frozenset(table.column_names)
    for row in rows:
        if not row.keys() <= known:
            raise LandingError(f"table {table.name} has no column {', '.join(sorted(row.keys() - known))}")


def _array(table: Table, column: Column, kind: Any, values: list[Any]) -> Any:
    pa = arrow()
    where = f"{table.name}.{column.name}"
    if column.required and any(value is None for value in values):
        raise LandingError(f"{where} is empty in row {values.index(None) + 1} of {len(values)}")
    if column.type == "TIMESTAMPTZ" and any(isinstance(v, datetime) and v.tzinfo is None for v in values):
        raise LandingError(f"{where} holds an instant without a time zone")
    if column.type == "DATE" and any(
        isinstance(v, datetime) or not isinstance(v, date | None) for v in values
    ):
        raise LandingError(f"{where} holds something that is no day")
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([_escaped(value) for value in values], kind)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise LandingError(f"{where} does not take such a value: {error}") from error


def _escaped(text: str | None) -> str | None:
    """Lone surrogates as `\\udXXX`, which inside JSON text means the very same character."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
