"""What the live table shows, read from the sandbox's control API and the pipeline's ledger.

Latency is what a seller waits for: from the instant at which TikTok let an order be fulfilled until
the pipeline knew that NetSuite had its Sales Order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tiktok_ns_pipeline.ledger import Ledger, schema
from tiktok_ns_pipeline.ledger.database import transaction
from tiktok_ns_pipeline.ledger.facts import (
    BILL,
    CHANNEL_FULFILMENT,
    CLOSURE,
    CREDIT,
    PAYOUT_JOURNAL,
    SALES_ORDER,
    SHIPMENT,
)
from tiktok_ns_pipeline.ledger.stock import Balance, StockKey
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.demo.clearing import ClearingProof
from tiktok_ns_pipeline.sandbox.judge_stock import POOLS

_FOLLOW_UPS = (SHIPMENT, CHANNEL_FULFILMENT, CLOSURE, BILL, CREDIT, PAYOUT_JOURNAL)
_MEASURED = 200
_ASKED_AT_ONCE = 20
_SHOWN = 6
_WAITING = ("UNPAID", "ON_HOLD")
_SHOP = "us"
LOCATIONS = tuple(location for warehouse in shop_of(_SHOP).warehouses for location in POOLS[warehouse])
"""Where the stock lies that is shown."""
IN_THE_SALE = "SKU-009"
"""What a flash sale sells; it is listed twice."""
_WATCHED = {"SKU-001": "301", "PACK-6-001": "301", IN_THE_SALE: "309"}
"""SKUs whose stock is shown, and their items in NetSuite."""
WATCHED_ITEMS = tuple(dict.fromkeys(_WATCHED.values()))


@dataclass(frozen=True, slots=True)
class Posted:
    """One order and its Sales Order."""

    shop: str
    order_id: str
    external_id: str
    number: str
    """Document number in NetSuite, or its internal id until that was read back."""


@dataclass(frozen=True, slots=True)
class Stock:
    """One listing of one shop, over its warehouses."""

    sku: str
    sku_id: str
    promised: int | None
    """Pieces that NetSuite says are available, as the pipeline read it last."""
    shown: int
    sold: int
    turned_away: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the demo."""

    shops: dict[str, dict[str, int]]
    """Shop -> TikTok status -> orders."""
    posted: dict[str, int]
    """Shop -> Sales Orders that the pipeline knows of."""
    exceptions: list[str]
    """What waits for a person, the most urgent first."""
    latencies: Sequence[timedelta]
    netsuite_calls: int
    latest: Sequence[Posted]
    """The last Sales Orders, newest first."""
    follow_ups: dict[str, dict[str, int]]
    """Shop -> kind of fact -> how many of them were made true: parcels told, closures, bills, credits,
    payouts."""
    stock: Sequence[Stock]
    """A few listings of one shop."""
    clearing: str
    """What the newest proof of the clearing accounts says."""

    @property
    def placed(self) -> int:
        """Orders that buyers placed."""
        return sum(sum(counts.values()) for counts in self.shops.values())

    @property
    def waiting(self) -> int:
        """Orders that may not be fulfilled yet."""
        return sum(counts.get(status, 0) for counts in self.shops.values() for status in _WAITING)

    @property
    def total_posted(self) -> int:
        """Sales Orders that the pipeline knows of."""
        return sum(self.posted.values())

    def done(self, *kinds: str, shop: str | None = None) -> int:
        """How many facts of these kinds were made true, in one shop or in all."""
        shops = self.follow_ups.values() if shop is None else [self.follow_ups.get(shop, {})]
        return sum(counts.get(kind, 0) for counts in shops for kind in kinds)

    def line(self) -> str:
        """All of it in one line."""
        return (
            f"placed {self.placed}, waiting {self.waiting}, posted {self.total_posted}, "
            f"parcels {self.done(SHIPMENT, CHANNEL_FULFILMENT)}, closed {self.done(CLOSURE)}, "
            f"billed {self.done(BILL)}, credited {self.done(CREDIT)}, "
            f"payouts {self.done(PAYOUT_JOURNAL)}, clearing {self.clearing.partition(':')[0]}, "
            f"exceptions {len(self.exceptions)}, latency p50 {_shown(self.latencies, 0.5)} "
            f"p95 {_shown(self.latencies, 0.95)}, NetSuite calls {self.netsuite_calls}, "
            + ", ".join(f"{one.sku} {_number(one.promised)} -> {one.shown}" for one in self.stock)
        )

    def display(self, title: str) -> RenderableType:
        """All of it for a terminal: a row for each shop, and the last Sales Orders."""
        facts = [
            f"may be fulfilled -> Sales Order: p50 {_shown(self.latencies, 0.5)}, "
            f"p95 {_shown(self.latencies, 0.95)} (last {len(self.latencies)})",
            f"NetSuite calls since the start: {self.netsuite_calls:,}",
            f"clearing accounts {self.clearing}",
            f"exceptions: {len(self.exceptions)}",
            *(f"  {text}" for text in self.exceptions[:3]),
        ]
        return Group(
            Text(title, style="bold"), self._shops(), self._stock(), self._latest(), Text("\n".join(facts))
        )

    def _stock(self) -> Table:
        table = Table()
        table.add_column(f"stock of {_SHOP}")
        for name in ("TikTok SKU", "NetSuite available", "TikTok shows", "sold", "turned away"):
            table.add_column(name, justify="right")
        for one in self.stock:
            numbers = (one.shown, one.sold, one.turned_away)
            table.add_row(one.sku, f"..{one.sku_id[-6:]}", _number(one.promised), *map(str, numbers))
        return table

    def _shops(self) -> Table:
        table = Table(show_footer=True)
        table.add_column("shop", footer="all")
        for name, footer in (
            ("placed", self.placed),
            ("waiting", self.waiting),
            ("cancelled", sum(counts.get("CANCELLED", 0) for counts in self.shops.values())),
            ("posted in NetSuite", self.total_posted),
            ("parcels", self.done(SHIPMENT, CHANNEL_FULFILMENT)),
            ("closed", self.done(CLOSURE)),
            ("billed", self.done(BILL)),
            ("credited", self.done(CREDIT)),
            ("payouts", self.done(PAYOUT_JOURNAL)),
        ):
            table.add_column(name, justify="right", footer=str(footer))
        for shop, counts in sorted(self.shops.items()):
            table.add_row(
                shop,
                str(sum(counts.values())),
                str(sum(counts.get(status, 0) for status in _WAITING)),
                str(counts.get("CANCELLED", 0)),
                f"[bold green]{self.posted.get(shop, 0)}[/]",
                str(self.done(SHIPMENT, CHANNEL_FULFILMENT, shop=shop)),
                str(self.done(CLOSURE, shop=shop)),
                str(self.done(BILL, shop=shop)),
                str(self.done(CREDIT, shop=shop)),
                str(self.done(PAYOUT_JOURNAL, shop=shop)),
            )
        return table

    def _latest(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for posted in self.latest:
            table.add_row(
                "TikTok order",
                posted.order_id,
                "->",
                f"[green]{posted.number}[/]",
                f"[dim]{posted.external_id}[/]",
            )
        return table


class FigureReader:
    """Looks again and again."""

    def __init__(self, control_url: str, pages_url: str, ledger: Ledger) -> None:
        self._control = httpx.Client(base_url=control_url, timeout=5.0)
        self._clearing = ClearingProof(pages_url)
        self._ledger = ledger
        self._latencies: deque[timedelta] = deque(maxlen=_MEASURED)
        # What was to be posted before this start waited for it, and says nothing about speed.
        self._since = datetime.now(UTC)
        self._last_link = self._newest_link()

    def read(self) -> Figures:
        """Look now. Raises httpx.HTTPError when the sandbox does not answer."""
        stats: dict[str, Any] = self._control.get("/stats").raise_for_status().json()
        self._measure()
        with self._ledger.read() as tx:
            posted = {shop: tx.links.count(SALES_ORDER, shop) for shop in stats["orders"]}
            follow_ups = {
                shop: {kind: tx.links.count(kind, shop) for kind in _FOLLOW_UPS} for shop in stats["orders"]
            }
            exceptions = tx.exceptions.list()
            promised = tx.stock.of_account("netsuite", skus=WATCHED_ITEMS)
        if any(counts[PAYOUT_JOURNAL] for counts in follow_ups.values()):
            self._clearing.look()
        latest = self._links(sa.desc, after=0, limit=_SHOWN)
        return Figures(
            shops=stats["orders"],
            posted=posted,
            exceptions=[f"{each.kind}: {each.message}" for each in exceptions],
            latencies=tuple(self._latencies),
            netsuite_calls=stats["requests"].get("netsuite", 0),
            latest=[
                Posted(row.shop, row.business_key, row.external_id, row.document_number or row.internal_id)
                for row in latest
            ],
            follow_ups=follow_ups,
            stock=self._stock(promised),
            clearing=self._clearing.told,
        )

    def close(self) -> None:
        """Close the connections."""
        self._control.close()
        self._clearing.close()

    def _stock(self, promised: Mapping[StockKey, Balance]) -> list[Stock]:
        found: list[Stock] = []
        for sku, item_id in _WATCHED.items():
            known = [
                one.quantity
                for key, one in promised.items()
                if key.sku == item_id and key.place in LOCATIONS and one.read_at is not None
            ]
            asked = self._control.get("/stock", params={"shop": _SHOP, "sku": sku})
            answer: dict[str, Any] = asked.raise_for_status().json()
            rows = [row for row in answer["stock"] if row["warehouse_id"] in POOLS]
            for sku_id in dict.fromkeys(row["sku_id"] for row in rows):
                of_sku = [row for row in rows if row["sku_id"] == sku_id]
                found.append(
                    Stock(
                        sku,
                        sku_id,
                        int(sum(known)) if known else None,
                        sum(row["available"] for row in of_sku),
                        sum(row["committed"] + row["shipped"] for row in of_sku),
                        answer["turned_away"].get(sku_id, 0),
                    )
                )
        return found

    def _measure(self) -> None:
        """The latency of every Sales Order that was posted since the last look."""
        for row in self._links(sa.asc, after=self._last_link, limit=_ASKED_AT_ONCE):
            self._last_link = row.id
            asked = self._control.get("/truth", params={"order_id": row.business_key})
            released_at = asked.raise_for_status().json()[0]["released_at"]
            if released_at and datetime.fromisoformat(released_at) >= self._since:
                self._latencies.append(row.created_at - datetime.fromisoformat(released_at))

    def _newest_link(self) -> int:
        newest = self._links(sa.desc, after=0, limit=1)
        return newest[0].id if newest else 0

    def _links(self, order: Callable[[Any], Any], *, after: int, limit: int) -> Sequence[sa.Row[Any]]:
        table = schema.links
        statement = (
            sa.select(table)
            .where(table.c.kind == SALES_ORDER, table.c.id > after)
            .order_by(order(table.c.id))
            .limit(limit)
        )
        with transaction(self._ledger.engine, writes=False) as connection:
            return connection.execute(statement).all()


def percentile(values: Sequence[timedelta], share: float) -> timedelta | None:
    """The smallest value that at least that share of all values does not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _shown(values: Sequence[timedelta], share: float) -> str:
    value = percentile(values, share)
    return "-" if value is None else f"{value.total_seconds():.1f} s"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
