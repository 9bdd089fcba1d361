"""What the live table shows, read from the sandbox's control API and the pipeline's ledger.

Latency is what a seller waits for: from the instant at which TikTok let an order be fulfilled until
the pipeline knew that NetSuite had its Sales Order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from rich.table import Table

from tiktok_ns_pipeline.ledger import Ledger, schema
from tiktok_ns_pipeline.orders.applying import SALES_ORDER

_LATEST = 200
_ASKED_AT_ONCE = 20
_WAITING = ("UNPAID", "ON_HOLD")


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
    faults: int

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

    def line(self) -> str:
        """All of it in one line."""
        return (
            f"placed {self.placed}, waiting {self.waiting}, posted {self.total_posted}, "
            f"exceptions {len(self.exceptions)}, latency p50 {_shown(self.latencies, 0.5)} "
            f"p95 {_shown(self.latencies, 0.95)}, NetSuite calls {self.netsuite_calls}"
        )

    def table(self, title: str) -> Table:
        """All of it as a table, a row for each shop."""
        table = Table(title=title, title_justify="left", caption_justify="left", show_footer=True)
        table.add_column("shop", footer="all")
        for name, footer in (
            ("placed", self.placed),
            ("waiting", self.waiting),
            ("cancelled", sum(counts.get("CANCELLED", 0) for counts in self.shops.values())),
            ("posted in NetSuite", self.total_posted),
        ):
            table.add_column(name, justify="right", footer=str(footer))
        for shop, counts in sorted(self.shops.items()):
            table.add_row(
                shop,
                str(sum(counts.values())),
                str(sum(counts.get(status, 0) for status in _WAITING)),
                str(counts.get("CANCELLED", 0)),
                f"[bold green]{self.posted.get(shop, 0)}[/]",
            )
        table.caption = (
            f"may be fulfilled -> Sales Order: p50 {_shown(self.latencies, 0.5)}, "
            f"p95 {_shown(self.latencies, 0.95)} (last {len(self.latencies)})\n"
            f"NetSuite calls: {self.netsuite_calls:,}\n"
            f"exceptions: {len(self.exceptions)}" + "".join(f"\n  {text}" for text in self.exceptions[:3])
        )
        return table


class FigureReader:
    """Looks again and again."""

    def __init__(self, control_url: str, ledger: Ledger) -> None:
        self._control = httpx.Client(base_url=control_url, timeout=5.0)
        self._ledger = ledger
        self._latencies: deque[timedelta] = deque(maxlen=_LATEST)
        # What a former start posted says nothing about this one.
        self._last_link = self._newest_link()

    def read(self) -> Figures:
        """Look now. Raises httpx.HTTPError when the sandbox does not answer."""
        stats: dict[str, Any] = self._control.get("/stats").raise_for_status().json()
        self._measure()
        with self._ledger.read() as tx:
            posted = {shop: tx.links.count(SALES_ORDER, shop) for shop in stats["orders"]}
            exceptions = tx.exceptions.list()
        return Figures(
            shops=stats["orders"],
            posted=posted,
            exceptions=[f"{each.kind}: {each.message}" for each in exceptions],
            latencies=tuple(self._latencies),
            netsuite_calls=stats["requests"].get("netsuite", 0),
            faults=sum(stats["faults"].values()),
        )

    def close(self) -> None:
        """Close the connection to the sandbox."""
        self._control.close()

    def _measure(self) -> None:
        """The latency of every Sales Order that was posted since the last look."""
        table = schema.links
        statement = (
            sa.select(table.c.id, table.c.business_key, table.c.created_at)
            .where(table.c.kind == SALES_ORDER, table.c.id > self._last_link)
            .order_by(table.c.id)
            .limit(_ASKED_AT_ONCE)
        )
        with self._ledger.engine.connect().execution_options(ledger_writes=False) as connection:
            rows = connection.execute(statement).all()
        for identity, order_id, created_at in rows:
            self._last_link = identity
            truths = self._control.get("/truth", params={"order_id": order_id}).raise_for_status().json()
            if released_at := truths[0]["released_at"]:
                self._latencies.append(created_at - datetime.fromisoformat(released_at))

    def _newest_link(self) -> int:
        table = schema.links
        statement = sa.select(sa.func.max(table.c.id)).where(table.c.kind == SALES_ORDER)
        with self._ledger.engine.connect().execution_options(ledger_writes=False) as connection:
            return int(connection.execute(statement).scalar() or 0)


def percentile(values: Sequence[timedelta], share: float) -> timedelta | None:
    """The smallest value that at least that share of all values does not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _shown(values: Sequence[timedelta], share: float) -> str:
    value = percentile(values, share)
    return "-" if value is None else f"{value.total_seconds():.1f} s"
