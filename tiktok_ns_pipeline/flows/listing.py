"""A listing of one shop that is read again and again: what changed since the watermark, landed as it came.

Each look begins an overlap behind the watermark, which follows the channel's clock and moves only with the
transaction that plans what was seen. What is known already in this version is neither landed nor given
again within a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tiktok_ns_pipeline.lake.tables import Table
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.calling import Page

FUTURE = timedelta(minutes=5)
"""An `update_time` further ahead of the channel's own clock is wrong and moves no watermark."""


@dataclass(frozen=True, slots=True)
class Landed:
    """Records that were not known in this version yet, and how far the look came."""

    raw: list[dict[str, Any]] = field(repr=False)
    rows: list[dict[str, Any]] = field(repr=False)
    """The same as landed, with payload as exact JSON text."""
    watermark: datetime | None
    listed: int


class Listing:
    """Its watermark, and what of it is known in this run."""

    def __init__(
        self,
        runtime: Runtime,
        shop_code: str,
        run_id: str,
        *,
        cursor: str,
        table: Table,
        key: str,
        row_of: Callable[..., dict[str, Any]],
        zone: ZoneInfo,
    ) -> None:
        """`cursor` keeps the watermark; `row_of` makes the table's row, which `key` names."""
        self._runtime = runtime
        self._shop = shop_code
        self._run_id = run_id
        self._cursor = cursor
        self._table = table
        self._row_of = row_of
        self._zone = zone
        self._seen: dict[str, tuple[int, datetime | None]] = {}
        self._watermark: datetime | None = None
        self.key = key

    def start(self) -> datetime:
        """Where the next look begins."""
        settings = self._runtime.settings
        known = self._watermark or self._stored()
        if known is None:
            return self._runtime.clock.now() - timedelta(days=settings.first_look_days)
        return known - timedelta(seconds=settings.overlap_s)

    def kept(self, watermark: datetime) -> None:
        """What was seen up to there is planned."""
        self._watermark = max(watermark, self._watermark) if self._watermark else watermark

    def land(self, page: Page, *, moves_watermark: bool) -> Landed:
        """Land what is not known in this version."""
        rows: list[dict[str, Any]] = []
        raws: list[dict[str, Any]] = []
        newest: datetime | None = None
        for raw in page.rows:
            row = self._row_of(raw, zone=self._zone, read_at=page.read_at, request_id=page.request_id)
            updated: datetime | None = row["update_time"]
            if updated is not None and updated <= page.read_at + FUTURE:
                newest = max(updated, newest) if newest else updated
            if self._is_known(row):
                continue
            rows.append(row)
            raws.append(raw)
        if rows:
            self._runtime.lake.land_many(self._table, rows, shop=self._shop, run_id=self._run_id)
            self._runtime.probe("landed")
        moved = moves_watermark and newest and (self._watermark is None or newest > self._watermark)
        return Landed(raws, rows, newest if moved else None, len(page.rows))

    def forget(self, ids: Iterable[str]) -> None:
        """Give these again when they are seen next: what was decided about them was not kept."""
        for each in ids:
            self._seen.pop(each, None)

    def forget_before(self, start: datetime) -> None:
        """What the next look cannot show again need not be remembered."""
        self._seen = {key: seen for key, seen in self._seen.items() if seen[1] is None or seen[1] >= start}

    def _is_known(self, row: Mapping[str, Any]) -> bool:
        version = hash(row["payload"])
        name = row[self.key]
        if self._seen.get(name, (None, None))[0] == version:
            return True
        self._seen[name] = (version, row["update_time"])
        return False

    def _stored(self) -> datetime | None:
        with self._runtime.ledger.read() as tx:
            stored = tx.cursors.get(self._cursor)
        return datetime.fromisoformat(stored) if stored else None
