"""Observe: what NetSuite says about Item Fulfillments, landed as it came.

Every look asks one question: what was saved since the watermark, on the account's own clock and with an
overlap (N 3.5). Not every change shows there: a tracking number can come later, and a record that is
deleted shows nowhere. So fulfilments whose story is not over are read again by id, in a slower cycle.

Invariants: the watermark moves only with the transaction that plans what was seen; a fulfilment that
SuiteQL does not show is gone only once the record itself says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.fulfilment.landed import LandedFulfilments
from tiktok_ns_pipeline.fulfilment.reading import AccountClock, FulfilmentReader, Header, gone
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEM_FULFILLMENTS
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import SHIPMENT
from tiktok_ns_pipeline.netsuite.values import ACCOUNT_TIME_FORMAT
from tiktok_ns_pipeline.runtime import Runtime

WATERMARK = "shipments:netsuite:lastmodifieddate"
"""The cursor that says how far Item Fulfillments were read, on the account's clock."""
_OFFSET = "shipments:netsuite:utc-offset"
CHANGED_UNSEEN = "shipments:netsuite:changed-unseen"
"""The cursor that names orders whose fulfilments changed without their header: landed, not planned yet."""

_TELLING = ("status", "gone", "modified_at_account", "carrier", "lines", "tracking")
"""Columns of which a change is worth a landing."""
_COMPARED = ("shop", "order_id", "fulfilment_id", "modified_at", "read_at", *_TELLING)
_YOUNG = timedelta(hours=96)
"""Longer than TikTok takes corrections of a number (T 4.2)."""

_LEAST_OVERLAP = timedelta(minutes=5)
_CLOCK_CHANGE = timedelta(hours=1, minutes=5)
"""Overlap on a day on which the account's clock was put back: it repeats an hour (N 3.5)."""
_A_DAY = timedelta(days=1)
_CLOCK_VALID_FOR = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Observed:
    """Rows to be staged, and how far the look came."""

    rows: list[dict[str, Any]] = field(repr=False)
    watermark: str | None = None


class FulfilmentWatch:
    """Looks at Item Fulfillments again and again within a run. Raises NetSuiteError."""

    def __init__(
        self,
        runtime: Runtime,
        run_id: str,
        landings: LandedFulfilments,
        shops: Iterable[str],
        *,
        is_of_all: bool,
    ) -> None:
        """`is_of_all` says that these are all shops: only then the watermark may move."""
        self._runtime = runtime
        self._run_id = run_id
        self._landings = landings
        self._shops = frozenset(shops)
        self._is_of_all = is_of_all
        self._reader = FulfilmentReader(runtime.netsuite, runtime.mapping.custom_fields)
        self._seen: dict[str, tuple[str | None, ...]] = {}
        self._landed: dict[str, dict[str, Any]] | None = None
        self._clock: AccountClock | None = None
        self._clock_read_at = runtime.clock.now()
        self._overlap = _LEAST_OVERLAP
        self.strangers: set[str] = set()
        """Shop codes on Sales Orders that the mapping does not know."""

    async def look(self) -> Observed:
        """What was saved since the watermark and was not seen in this run yet."""
        clock = await self._account_clock()
        since = self._watermark() or await self._first_mark()
        begin = _shifted(since, -self._overlap)
        headers = await self._reader.changed_since(begin)
        news = [each for each in headers if self._seen.get(each.fulfilment_id) != each.version]
        rows = await self._read(news, clock)
        self._seen |= {each.fulfilment_id: each.version for each in news}
        newest = max((each.row["modified_at"] for each in headers), default=since)
        return Observed(rows, newest if self._is_of_all else None)

    async def look_again(self, ids: Sequence[str]) -> Observed:
        """These fulfilments as they are now, where that is not as they were landed.

        No watermark would show them again: their orders are noted until they are planned.
        """
        if not ids:
            return Observed([])
        clock = await self._account_clock()
        landed = self.landed()
        headers = {each.fulfilment_id: each for each in await self._reader.named(ids)}
        tracking = await self._reader.tracking(list(headers))
        changed = [
            header
            for key, header in headers.items()
            if self._differs(landed.get(key), header, tracking.get(key, []))
        ]
        missing = [key for key in ids if key not in headers and key in landed]
        vanished = [key for key in missing if await self._reader.is_gone(key)]
        orders = {(each.shop, each.row["order_id"].strip()) for each in changed}
        orders |= {(landed[key]["shop"], landed[key]["order_id"]) for key in vanished}
        if orders:
            with self._runtime.ledger.begin() as tx:
                noted = {(shop, order_id) for shop, order_id in tx.cursors.get(CHANGED_UNSEEN) or ()}
                tx.cursors.set(CHANGED_UNSEEN, sorted(noted | orders))
        return Observed([*await self._read(changed, clock), *self._land_gone(vanished)])

    def landed(self) -> dict[str, dict[str, Any]]:
        """Fulfilments as they landed last, by id, those that may be watched; without their payload."""
        if self._landed is None:
            now = self._runtime.clock.now()
            watched = now - timedelta(days=self._runtime.mapping.fulfilment.watch_days)
            with self._runtime.ledger.read() as tx:
                open_ids = {
                    intent.payload["fulfilment_id"] for intent in tx.intents.open_facts(kind=SHIPMENT)
                }
            self._landed = {
                row["fulfilment_id"]: {name: row[name] for name in _COMPARED}
                for row in self._landings.lately(self._shops)
                if row["modified_at"] >= watched and _may_be_watched(row, now, open_ids)
            }
        return self._landed

    def keep(self, tx: Transaction, watermark: str) -> None:
        """What was seen up to there is planned."""
        tx.cursors.advance(WATERMARK, watermark)

    def forget(self, ids: Iterable[str]) -> None:
        """Stage these again when they are seen next: what was decided about them was not kept."""
        for each in ids:
            self._seen.pop(each, None)

    async def _read(self, headers: Sequence[Header], clock: AccountClock) -> list[dict[str, Any]]:
        self.strangers |= {each.shop for each in headers} - set(self._runtime.mapping.shops)
        ours = [each for each in headers if each.shop in self._shops]
        if not ours:
            return []
        rows = await self._reader.rows(ours, clock, self._runtime.clock.now())
        self._land([row for row in rows if self._is_new(row)])
        return rows

    def _land(self, rows: Sequence[dict[str, Any]]) -> None:
        by_shop: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_shop.setdefault(row["shop"], []).append(row)
        for shop, of_shop in by_shop.items():
            self._runtime.lake.land_many(
                RAW_NETSUITE_ITEM_FULFILLMENTS, of_shop, shop=shop, run_id=self._run_id
            )
        if rows:
            self._runtime.probe("landed")
        self.landed().update({row["fulfilment_id"]: {name: row[name] for name in _COMPARED} for row in rows})

    def _land_gone(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        if not ids:
            return []
        markers = ", ".join("?" for _ in ids)
        rows = self._runtime.lake.current(
            RAW_NETSUITE_ITEM_FULFILLMENTS, f"fulfilment_id IN ({markers}) AND NOT gone", list(ids)
        )
        vanished = [gone(row, self._runtime.clock.now()) for row in rows if row["shop"] in self._shops]
        self._land(vanished)
        return vanished

    def _is_new(self, row: dict[str, Any]) -> bool:
        known = self.landed().get(row["fulfilment_id"])
        return known is None or any(known[name] != row[name] for name in _TELLING)

    @staticmethod
    def _differs(row: dict[str, Any] | None, header: Header, tracking: Sequence[str]) -> bool:
        if row is None or row["gone"]:
            return True
        numbers = [one["number"] for one in exact_json.loads(row["tracking"])]
        is_same = row["modified_at_account"] == header.row["modified_at"] and row[
            "carrier"
        ] == header.row.get("carrier")
        return not is_same or numbers != list(tracking)

    def _watermark(self) -> str | None:
        with self._runtime.ledger.read() as tx:
            return tx.cursors.get(WATERMARK)

    async def _first_mark(self) -> str:
        """Where nothing was read yet: some days back from the account's now."""
        now = await self._runtime.netsuite.account_now(lane="documents")
        return _shifted(now, -timedelta(days=self._runtime.settings.first_look_days))

    async def _account_clock(self) -> AccountClock:
        """The account's distance from UTC, read anew from time to time; a change widens the overlap."""
        now = self._runtime.clock.now()
        if self._clock is not None and now - self._clock_read_at < _CLOCK_VALID_FOR:
            return self._clock
        offset = await self._runtime.netsuite.account_utc_offset(lane="documents")
        seconds = int(offset.total_seconds())
        with self._runtime.ledger.begin() as tx:
            stored: dict[str, Any] | None = tx.cursors.get(_OFFSET)
            if stored is None or stored["seconds"] != seconds:
                changed_at = None if stored is None else now.isoformat()
                stored = {"seconds": seconds, "changed_at": changed_at}
                tx.cursors.set(_OFFSET, stored)
        changed_at = stored["changed_at"]
        is_fresh = changed_at is not None and now - datetime.fromisoformat(changed_at) < _A_DAY
        configured = timedelta(seconds=self._runtime.settings.overlap_s)
        self._overlap = max(configured, _CLOCK_CHANGE if is_fresh else _LEAST_OVERLAP)
        self._clock, self._clock_read_at = AccountClock(offset), now
        return self._clock


def _may_be_watched(row: Mapping[str, Any], now: datetime, open_ids: Collection[str]) -> bool:
    """Whether the story of a landed fulfilment may go on unseen."""
    # What TikTok's own warehouse ships tells nothing, so it is not watched.
    if row["gone"] or '"shipper":"channel"' in row["payload"]:
        return False
    is_settled = row["status"] == "C" and row["tracking"] != "[]" and row["read_at"] < now - _YOUNG
    return not is_settled or row["fulfilment_id"] in open_ids


def _shifted(account_time: str, by: timedelta) -> str:
    moment = datetime.strptime(account_time, ACCOUNT_TIME_FORMAT)  # noqa: DTZ007  the account's own clock
    return (moment + by).strftime(ACCOUNT_TIME_FORMAT)
