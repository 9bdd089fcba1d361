"""What else says that a claim is to be looked at: what other flows land about its order.

A refund waits for goods to ship and for their bill, so the landings of Item Fulfillments and of bills wake
the claims of their orders. Cancellations that land are claims themselves, of orders that had left.

Landings are followed by their instant, an overlap behind the mark, since one becomes visible a moment
after its instant. The mark moves only with the transaction that tells the ledger of what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tiktok_ns_pipeline.lake.tables import (
    NETSUITE_BILLS,
    RAW_NETSUITE_ITEM_FULFILLMENTS,
    RAW_TIKTOK_CANCELLATIONS,
    Table,
)
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.claims import ToldClaim
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.refunds.document import CHANNEL
from tiktok_ns_pipeline.runtime import Runtime

OVERLAP = timedelta(minutes=10)
"""How far behind its mark a look begins: longer than any landing takes, and than clocks differ."""

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_WAKING = (RAW_NETSUITE_ITEM_FULFILLMENTS, NETSUITE_BILLS)


def mark_name(shop_code: str) -> str:
    """The cursor that says until when landings about a shop's orders were followed, by table."""
    return f"refunds:{shop_code}:followed"


@dataclass(frozen=True, slots=True)
class News:
    """What landed since it was looked at last."""

    order_ids: tuple[str, ...] = ()
    """Orders of which something shipped or was billed."""
    cancellations: tuple[ToldClaim, ...] = ()
    marks: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]], repr=False)

    def __bool__(self) -> bool:
        return bool(self.marks)


class LandingsWatch:
    """Follows what lands about the orders of one shop, again and again within a run."""

    def __init__(self, runtime: Runtime, shop: Shop) -> None:
        self._runtime = runtime
        self._shop = shop.code
        self._newest: dict[str, str] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._since: dict[str, datetime] = {}
        with runtime.ledger.read() as tx:
            self._stored: dict[str, str] = tx.cursors.get(mark_name(shop.code)) or {}

    def look(self) -> News:
        """What landed that this run has not told of; nothing where no file is new."""
        orders: set[str] = set()
        cancellations: dict[str, ToldClaim] = {}
        marks: dict[str, str] = {}
        files: dict[str, frozenset[str]] = {}
        for table in (*_WAKING, RAW_TIKTOK_CANCELLATIONS):
            newest = self._runtime.lake.last_landing(table, shop=self._shop)
            if newest is None or newest.isoformat() == self._newest.get(table.name):
                continue
            columns = ("order_id", "landed_at", "day")
            is_waking = table in _WAKING
            rows, files[table.name] = self._landed(table, columns if is_waking else (*columns, "cancel_id"))
            marks[table.name] = newest.isoformat()
            if is_waking:
                orders |= {row["order_id"] for row in rows if row["order_id"]}
                continue
            for row in rows:
                if row["order_id"]:
                    name = row["cancel_id"]
                    cancellations[name] = ToldClaim(name, row["order_id"], "cancellation", row["day"])
        return News(tuple(sorted(orders)), tuple(cancellations.values()), marks, files)

    def keep(self, tx: Transaction, news: News) -> None:
        """Tell of what came, and move the marks."""
        tx.claims.wake(CHANNEL, self._shop, order_ids=news.order_ids)
        tx.claims.tell(CHANNEL, self._shop, news.cancellations)
        name = mark_name(self._shop)
        stored: dict[str, str] = tx.cursors.get(name) or {}
        moved = {table: max(mark, stored.get(table, "")) for table, mark in news.marks.items()}
        tx.cursors.set(name, {**stored, **moved})

    def kept(self, news: News) -> None:
        """The ledger knows of these."""
        self._newest |= news.marks
        self._files |= news.files

    def _landed(self, table: Table, columns: tuple[str, ...]) -> tuple[list[dict[str, Any]], frozenset[str]]:
        since = self._since.setdefault(table.name, self._begin(table))
        landed = self._runtime.lake.landed_beyond(
            table, self._files.get(table.name, frozenset()), since=since, shop=self._shop, columns=columns
        )
        return [row for row in landed.rows if row["landed_at"] > since], landed.files

    def _begin(self, table: Table) -> datetime:
        """Where following begins; at first from all cancellations, and from what ships from now on."""
        stored = self._stored.get(table.name)
        if stored is not None:
            return datetime.fromisoformat(stored) - OVERLAP
        return _BEGINNING if table is RAW_TIKTOK_CANCELLATIONS else self._runtime.clock.now() - OVERLAP
