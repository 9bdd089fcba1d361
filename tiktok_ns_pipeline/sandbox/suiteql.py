"""SuiteQL as real SQL: the query is translated to SQLite and run over tables that mirror the books.

SuiteQL is Oracle's dialect with the manners of a REST service (N 3): values come back as text, a null
column is missing from its row, names are lower case, dates are in the account's zone and, unless
formatted, in its display format. What SuiteQL refuses is refused here even where SQLite would answer.

Words: an *instant text* is how a date lies in a column here (`@2026-01-31 08:00:00`, account-local);
the sign tells it from text that `TO_CHAR` made.

Invariant: queries see the books as they are, but for `lag`, which shows them as they were.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from tiktok_ns_pipeline.sandbox.suiteql_functions import (
    FUNCTIONS,
    ExactSum,
    display_date,
    instant_text,
    number_text,
)
from tiktok_ns_pipeline.sandbox.suiteql_translation import (
    SuiteQLError,
    Translation,
    translated,
    unsupported,
)

MOST_ROWS = 100_000


class Tables(Protocol):
    """The tables that queries run over."""

    @property
    def columns(self) -> Mapping[str, Mapping[str, str]]:
        """Columns by table; a column's kind is `date`, `flag`, `text`, `number`, `key` or `>target`."""
        ...

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Bring the tables up to date with the books."""
        ...

    def rewind(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Show transactions as they were `seconds` ago; the caller undoes it."""
        ...

    @property
    def version(self) -> int:
        """Grows when the tables may have to change."""
        ...

    def account_now(self) -> datetime:
        """The current instant in the account's zone."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a result. Values are text; None stands for a column that the row lacks."""

    names: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    total: int
    """Rows of the whole result, at most `MOST_ROWS`."""

    def as_dicts(self) -> list[dict[str, str]]:
        """The rows as a caller sees them: without the columns that are null."""
        return [
            {name: value for name, value in zip(self.names, row, strict=True) if value is not None}
            for row in self.rows
        ]


class SuiteQL:
    """Runs queries over `tables`. `seed` decides in which order unordered rows come."""

    def __init__(self, tables: Tables, seed: int = 0) -> None:
        self._tables = tables
        self._random = random.Random(f"suiteql {seed}")
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA case_sensitive_like = ON")
        for name, count, function in FUNCTIONS:
            self._connection.create_function(name, count, function, deterministic=True)
        self._connection.create_window_function("SUM", 1, ExactSum)
        self._connection.create_function("SYSDATE", 0, lambda: instant_text(tables.account_now()))
        self._latest: tuple[object, tuple[str, ...], list[tuple[Any, ...]]] | None = None

    def run(
        self,
        query: str,
        params: Sequence[Any] = (),
        limit: int = 1_000,
        offset: int = 0,
        lag_seconds: float = 0.0,
    ) -> Rows:
        """One page of a query's result. Raises SuiteQLError.

        Rows of a query without ORDER BY may come in another order for every page (N 3.1).
        """
        translation = translated(query, self._tables.columns)
        names, rows = self._all_rows(translation, _bound(params, translation.markers), lag_seconds)
        if not translation.ordered and len(rows) > limit and self._random.random() < 0.5:
            rows = self._random.sample(rows, len(rows))
        page = [tuple(_text(value) for value in row) for row in rows[offset : offset + limit]]
        return Rows(names, page, len(rows))

    def _all_rows(
        self, translation: Translation, params: tuple[Any, ...], lag_seconds: float
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The whole result; the pages of one query share it as long as the books stand still."""
        self._tables.refresh(self._connection)
        asked = (translation.sql, params, self._tables.version)
        # What depends on the clock is read anew for each page.
        reusable = not lag_seconds and "SYSDATE" not in translation.sql
        if reusable and self._latest is not None and self._latest[0] == asked:
            return self._latest[1:]
        if not lag_seconds:
            names, rows = self._fetch(translation, params)
        else:
            self._connection.execute("SAVEPOINT present")
            try:
                self._tables.rewind(self._connection, lag_seconds)
                names, rows = self._fetch(translation, params)
            finally:
                self._connection.execute("ROLLBACK TO present")
                self._connection.execute("RELEASE present")
        if reusable:
            self._latest = (asked, names, rows)
        return names, rows

    def _fetch(
        self, translation: Translation, params: tuple[Any, ...]
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        try:
            cursor = self._connection.execute(translation.sql, params)
            rows = cursor.fetchmany(MOST_ROWS)
        except sqlite3.OperationalError as error:
            raise _explained(error, translation) from None
        except (sqlite3.Error, OverflowError):
            raise unsupported() from None
        return tuple(column[0].lower() for column in cursor.description), rows


def _bound(params: Sequence[Any], markers: int) -> tuple[Any, ...]:
    if len(params) != markers or any(
        value is None or isinstance(value, (bool, dict, list)) for value in params
    ):
        raise unsupported()
    return tuple(float(value) if isinstance(value, Decimal) else value for value in params)


def _text(value: Any) -> str | None:
    """A value as the service writes it: text, dates in display format."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return display_date(value) if value.startswith("@") else value
    return number_text(value)


_NO_COLUMN = re.compile(r"no such column: (?:.*\.)?(.+)")


def _explained(error: sqlite3.OperationalError, translation: Translation) -> SuiteQLError:
    found = _NO_COLUMN.fullmatch(str(error))
    if found is None:
        return unsupported()
    return SuiteQLError(
        f"Search error occurred: Unknown identifier '{found[1]}'. "
        f"Available identifiers are: {translation.sources}."
    )
