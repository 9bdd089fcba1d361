"""What landed in one table for one shop, followed through a run.

A run asks the lake about the same orders turn after turn. `Following` remembers the rows that landed
since an instant, some days back, and looks by the files' names whether there is more: a turn in which
nothing landed reads no file, any other one only the new files, whoever landed them. Of rows that
landed before the instant it remembers those that were asked for.

Invariant: what is told is what `Lake.current` would tell, provided that the rows of a key never change
the value that they are asked for by. A row that landed out of turn hides no newer one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from tiktok_ns_pipeline.lake import naming
from tiktok_ns_pipeline.lake.tables import Table

if TYPE_CHECKING:
    from tiktok_ns_pipeline.lake.lake import Lake

_ASKED_AT_ONCE = 500


class Following:
    """The newest row of each key, by one of the table's columns. Of one thread."""

    def __init__(
        self, lake: Lake, table: Table, *, shop: str, by: str, columns: Sequence[str], since: datetime
    ) -> None:
        """`columns` are remembered beside those that tell rows apart, so name no more than needed."""
        if table.newest != "row":
            raise ValueError(f"landings of table {table.name} replace each other as a whole")
        self._lake = lake
        self._table = table
        self._shop = shop
        self._by = by
        self.columns = tuple(dict.fromkeys((*table.key, by, *table.version, "landed_at", *columns)))
        """What is remembered of each row."""
        self.since = since
        """The instant since which all that lands is remembered."""
        self._files: frozenset[str] = frozenset()
        self._rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._keys: dict[Any, list[tuple[Any, ...]]] = {}
        self._is_older_kept = False
        self._asked: set[str] = set()

    def of(self, values: Collection[str], *, days: Collection[date] | None = None) -> list[dict[str, Any]]:
        """The newest rows with these values as they stand now.

        Naming the days that such rows are filed under spares looking for older ones among all.
        """
        if not values:
            return []
        self._refresh()
        if self._is_older_kept:
            self._ask_for_older([value for value in values if value not in self._asked], days)
        return [self._rows[key] for value in dict.fromkeys(values) for key in self._keys.get(value, ())]

    def landed_after(self, instant: datetime) -> list[dict[str, Any]]:
        """The rows that landed after an instant, which is not before `since`: ask `of` for the newest.

        Raises ValueError for an earlier instant.
        """
        if instant < self.since:
            raise ValueError(f"what landed is followed since {self.since}, not since {instant}")
        self._refresh()
        return [row for row in self._rows.values() if row["landed_at"] > instant]

    def _refresh(self) -> None:
        landed = self._lake.landed_beyond(
            self._table, self._files, since=self.since, shop=self._shop, columns=self.columns
        )
        if landed.files == self._files:
            return
        if any(naming.landed_by(path, self.since) for path in landed.files - self._files):
            self._is_older_kept = True
            self._asked.clear()
        self._files = landed.files
        for row in landed.rows:
            if row["landed_at"] > self.since:
                self._keep(row)
            else:
                # A compaction put it together with younger ones.
                self._is_older_kept = True

    def _ask_for_older(self, values: Sequence[str], days: Collection[date] | None) -> None:
        for start in range(0, len(values), _ASKED_AT_ONCE):
            chunk = values[start : start + _ASKED_AT_ONCE]
            self._keep_all(
                self._lake.landed_until(
                    self._table,
                    self.since,
                    by=self._by,
                    values=chunk,
                    shop=self._shop,
                    days=days,
                    columns=self.columns,
                )
            )
            self._asked.update(chunk)

    def _keep_all(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            self._keep(row)

    def _keep(self, row: dict[str, Any]) -> None:
        key = tuple(row[name] for name in self._table.key)
        known = self._rows.get(key)
        if known is None or self._rank(row) > self._rank(known):
            self._rows[key] = row
            if known is None:
                self._keys.setdefault(row[self._by], []).append(key)

    def _rank(self, row: dict[str, Any]) -> tuple[tuple[Any, ...], ...]:
        """Orders the versions of a key as the lake does: those without a version come first."""
        named = (row[name] for name in (*self._table.version, "landed_at"))
        return tuple(() if value is None else (value,) for value in named)
