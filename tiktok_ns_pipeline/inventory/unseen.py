"""Unseen sales: TikTok shows fewer units than the orders that we know explain.

Somebody may have bought them, so they are held until the order shows. Or nobody did: a person set the
number in Seller Center, TikTok emptied a SKU that a seller cancelled as out of stock (T 5.3). So no more is
believed than can have been sold, and no longer than an order can hide: once every order that TikTok lists
is booked, and was asked for late enough, what is left is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tiktok_ns_pipeline.flows.watermarks import LISTED_WITHIN, orders_watermark
from tiktok_ns_pipeline.inventory.governing import most_sold_unseen
from tiktok_ns_pipeline.inventory.selling import OrdersFollowed
from tiktok_ns_pipeline.lake.orders import order_name
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.stock import Unseen
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.client import ShopAccess
from tiktok_ns_pipeline.tiktok.slot import Slot

_LOOKED_BACK = timedelta(minutes=20)
_AT_MOST = timedelta(minutes=10)
"""So long is an order waited for in a shop whose orders nobody reads."""
_WORTH_WAITING = timedelta(minutes=1)
"""So long a run stays for what is found out in a moment."""
_ASKED_EVERY = timedelta(seconds=10)
_ASKED_FOR = timedelta(minutes=2)
"""So long a run is started for it; later the regular ones ask."""


def orders_read_until(tx: Transaction, shop: str) -> datetime | None:
    """How far the orders flow has read a shop, on TikTok's clock; None where it never has."""
    stored: str | None = tx.cursors.get(orders_watermark(shop))
    return datetime.fromisoformat(stored) if stored else None


def most_sold(tx: Transaction, shop: str, fallen: Sequence[Slot], now: datetime) -> dict[Slot, int]:
    """How much of what slots of a shop show fewer can have been sold; the rest was taken away.

    Nothing is told where orders were never read: then all may have been sold.
    """
    known_until = orders_read_until(tx, shop)
    if known_until is None:
        return {}
    rows = tx.stock.since("tiktok", "sale", known_until - _LOOKED_BACK)
    sold = [(row.happened_at or row.at, -row.quantity) for row in rows if row.key.shop == shop]
    return dict.fromkeys(fallen, most_sold_unseen(sold, known_until, now, LISTED_WITHIN))


def nobodys(
    tx: Transaction,
    unseen: Mapping[Slot, Unseen],
    booked_until: Mapping[str, datetime],
    asked_at: Mapping[str, datetime],
    now: datetime,
) -> dict[Slot, Decimal]:
    """Units that no order will explain any more, of those that are unseen.

    `booked_until`: how far the orders of a shop are booked, by TikTok's clock; `asked_at`: when TikTok
    listed no order of it that is not booked.
    """
    found: dict[Slot, Decimal] = {}
    for shop in sorted({slot.shop for slot in unseen}):
        told = [at for by in (booked_until, asked_at) if (at := by.get(shop)) is not None]
        certain = max(min(now, at) - LISTED_WITHIN for at in told) if told else now - _AT_MOST
        for slot, units in tx.stock.unseen_since_before(certain).items():
            if slot.shop == shop:
                found[slot] = units
    return found


def is_found_out_soon(unseen: Iterable[Unseen], now: datetime) -> bool:
    """Whether a run does well to stay until it is certain that nobody bought these."""
    return any(now - one.since < _WORTH_WAITING for one in unseen)


def is_to_be_found_out(unseen: Iterable[Unseen], now: datetime) -> bool:
    """Whether a run could find out now what became of these."""
    return any(LISTED_WITHIN <= now - one.since < _ASKED_FOR for one in unseen)


class OrderQuestion:
    """Asks TikTok about a shop in which nothing tells whether the orders of before are all known.

    The watermark of a quiet shop stands still, so the list itself is asked: whether it names an order
    that is not booked. Raises TikTokError.
    """

    def __init__(self, runtime: Runtime, followed: Mapping[str, OrdersFollowed]) -> None:
        self._runtime = runtime
        self._followed = followed
        self._asked_at: dict[str, datetime] = {}
        self.clear_at: dict[str, datetime] = {}
        """When TikTok listed no order of a shop that is not booked."""

    async def ask(
        self, access: ShopAccess, shop: str, unseen: Iterable[Unseen], booked_until: datetime | None
    ) -> None:
        """Ask, where the answer tells more than what is known."""
        now = self._runtime.clock.now()
        if booked_until is None:
            return
        known_until = max(booked_until, self.clear_at.get(shop, booked_until))
        if not any(known_until < one.since + LISTED_WITHIN <= now for one in unseen):
            return
        if shop in self._asked_at and now - self._asked_at[shop] < _ASKED_EVERY:
            return
        self._asked_at[shop] = now
        orders = self._runtime.tiktok.search_orders(
            access, update_time_ge=booked_until - LISTED_WITHIN, lane="urgent"
        )
        async for page in orders:
            if not self._followed[shop].are_booked([order_name(raw) for raw in page.orders]):
                return
        self.clear_at[shop] = now
