"""What really happened in an order: the world's own knowledge, by which every proof is scored.

TikTok's order document is a display of these facts, written by `wire`; the truth is never read back
from the display. What the seller is *owed* is the goods at list price less the seller's own
discounts, for the lines that were not cancelled, and the shipping that the seller performs
(T 3.4, 10.2): discounts of the platform are paid back by it, taxes and buyer fees never arrive.

Invariant: an order's facts change only by what happens to it in the world.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.markets import MARKETS, ShippedThrough

ZERO = Decimal(0)

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Status(StrEnum):
    """States of an order (T 3.2)."""

    unpaid = "UNPAID"
    on_hold = "ON_HOLD"
    awaiting_shipment = "AWAITING_SHIPMENT"
    partially_shipping = "PARTIALLY_SHIPPING"
    awaiting_collection = "AWAITING_COLLECTION"
    in_transit = "IN_TRANSIT"
    delivered = "DELIVERED"
    completed = "COMPLETED"
    cancelled = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Shipped:
    """What TikTok knows of a unit's parcel. `told_at` is when it first heard of it (Unix seconds)."""

    package_id: str
    tracking: str
    provider_id: str
    told_at: int

    def as_list(self) -> list[str | int]:
        """Its values, to keep."""
        return [self.package_id, self.tracking, self.provider_id, self.told_at]


@dataclass(slots=True)
class LineFacts:
    """One unit that was bought. Amounts are in the order's currency."""

    id: str
    makes: tuple[tuple[str, int], ...]
    price: Decimal
    seller_discount: Decimal = ZERO
    platform_discount: Decimal = ZERO
    tax: Decimal = ZERO
    """Sales tax on top of the price (US); never the seller's."""
    gift: bool = False
    cancelled: bool = False
    cancelled_at: int | None = None
    shipped: Shipped | None = None
    """Stays when the order is cancelled after it was shipped."""
    sku_id: str = ""
    """The listing that was bought."""
    hold: str = ""
    """What TikTok's stock knows of the unit (`tiktok_stock.Hold`); empty where stock is not kept."""

    @property
    def sale_price(self) -> Decimal:
        """What the buyer pays for the unit before tax on top."""
        return self.price - self.seller_discount - self.platform_discount


@dataclass(slots=True)
class ShippingFacts:
    """What shipping costs the buyer, and who pays the rest (T 3.4)."""

    original: Decimal = ZERO
    seller_discount: Decimal = ZERO
    platform_discount: Decimal = ZERO
    cofunded_discount: Decimal = ZERO
    tax: Decimal = ZERO

    @property
    def fee(self) -> Decimal:
        """What the buyer pays before tax on top."""
        return self.original - self.seller_discount - self.platform_discount - self.cofunded_discount


@dataclass(slots=True)
class OrderFacts:
    """One order as the world knows it. Times are Unix seconds of the world's clock."""

    shop: str
    """Key of the shop."""
    order_id: str
    currency: str
    placed_at: int
    lines: list[LineFacts]
    shipping: ShippingFacts
    by_seller: bool
    """Whether the seller performs the shipping (`shipping_type` SELLER)."""
    by_tiktok_warehouse: bool = False
    warehouse_id: str = ""
    """TikTok's id of the warehouse that serves it."""
    fees: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Buyer fees by field name; they stay with the platform."""
    address: dict[str, Any] = field(default_factory=dict[str, Any])
    """In clear; what is shown of it depends on status and market (T 3.6)."""
    status: Status = Status.unpaid
    released_at: int | None = None
    """When it could first be fulfilled, hence posted."""
    spoiled: bool = False
    """Whether what TikTok displays of it was made unreadable on purpose."""
    hidden: bool = False
    """Whether lists never show it."""
    header_follows: bool = True
    """Whether the payment block that is displayed forgets lines that were cancelled (T 3.5)."""
    cancelled_at: int | None = None
    open_request: str | None = None
    """Cancel id of the buyer's request that waits for an answer."""
    plan: dict[str, list[tuple[float, str]]] = field(default_factory=dict[str, list[tuple[float, str]]])
    """By status: what happens how many seconds after it is entered."""

    @property
    def active_lines(self) -> list[LineFacts]:
        """The units that were not cancelled."""
        return [line for line in self.lines if not line.cancelled]

    @property
    def open_lines(self) -> list[LineFacts]:
        """The units that are still to be shipped."""
        return [line for line in self.lines if not line.cancelled and line.shipped is None]

    @property
    def shipped_through(self) -> ShippedThrough:
        """Who arranges the parcels (T 4.1)."""
        if self.by_tiktok_warehouse:
            return "fbt"
        if self.by_seller:
            return "seller"
        return "label" if MARKETS[shop_of(self.shop).region].buys_labels else "schedule"

    @property
    def cannot_be_posted(self) -> bool:
        """Whether it must be parked: unreadable, or it sells what no item of NetSuite is."""
        return self.spoiled or not all(line.makes for line in self.active_lines)

    def owed(self) -> Decimal:
        """What TikTok owes the seller for the order as it stands, in its currency."""
        goods = sum((line.price - line.seller_discount for line in self.active_lines), ZERO)
        if not self.by_seller:
            return goods
        shipping = self.shipping
        return goods + shipping.original - shipping.seller_discount - shipping.cofunded_discount

    def quantities(self) -> dict[str, tuple[Decimal, str]]:
        """NetSuite item name -> (quantity, unit) that the order takes, in base units."""
        total: Counter[str] = Counter()
        for line in self.active_lines:
            for item, count in line.makes:
                total[item] += count
        return {item: (Decimal(count), "Each") for item, count in total.items()}

    def to_json(self) -> str:
        """Text to keep, without the state: that changes more often and is kept beside it."""
        shipping = self.shipping
        return _encode(
            {
                "shop": self.shop,
                "order_id": self.order_id,
                "currency": self.currency,
                "placed_at": self.placed_at,
                "lines": [
                    [
                        line.id,
                        line.makes,
                        str(line.price),
                        str(line.seller_discount),
                        str(line.platform_discount),
                        str(line.tax),
                        line.gift,
                        line.cancelled,
                        line.cancelled_at,
                        None if line.shipped is None else line.shipped.as_list(),
                        line.sku_id,
                        line.hold,
                    ]
                    for line in self.lines
                ],
                "shipping": [
                    str(shipping.original),
                    str(shipping.seller_discount),
                    str(shipping.platform_discount),
                    str(shipping.cofunded_discount),
                    str(shipping.tax),
                ],
                "by_seller": self.by_seller,
                "by_tiktok_warehouse": self.by_tiktok_warehouse,
                "warehouse_id": self.warehouse_id,
                "fees": {name: str(amount) for name, amount in self.fees.items()},
                "address": self.address,
                "spoiled": self.spoiled,
                "hidden": self.hidden,
                "header_follows": self.header_follows,
                "cancelled_at": self.cancelled_at,
                "open_request": self.open_request,
                "plan": self.plan,
            }
        )

    @classmethod
    def from_json(cls, text: str, status: str, released_at: int | None) -> OrderFacts:
        """The facts that `to_json` wrote, with the state that was kept beside them."""
        kept = json.loads(text)
        kept["lines"] = [
            LineFacts(
                line[0],
                tuple((item, count) for item, count in line[1]),
                Decimal(line[2]),
                Decimal(line[3]),
                Decimal(line[4]),
                Decimal(line[5]),
                line[6],
                line[7],
                line[8],
                None if line[9] is None else Shipped(*line[9]),
                *line[10:],
            )
            for line in kept["lines"]
        ]
        kept["shipping"] = ShippingFacts(*map(Decimal, kept["shipping"]))
        kept["fees"] = {name: Decimal(amount) for name, amount in kept["fees"].items()}
        kept["plan"] = {
            status: [(delay, what) for delay, what in steps] for status, steps in kept["plan"].items()
        }
        return cls(**kept, status=Status(status), released_at=released_at)


@dataclass(frozen=True, slots=True)
class LineShipment:
    """What TikTok was told of one unit's parcel, and when for the first time."""

    package_id: str
    tracking: str
    provider_id: str
    told_at: datetime


@dataclass(frozen=True, slots=True)
class OrderTruth:
    """What NetSuite must show for an order once the pipeline has come to rest, and what TikTok knows."""

    shop_code: str
    """Key of the shop, as in external ids."""
    order_id: str
    currency: str
    status: str
    should_be_posted: bool
    reason: str
    owed: Decimal
    """Total of the Sales Order in `currency`, if it should be posted."""
    quantities: dict[str, tuple[Decimal, str]]
    """Item name -> (quantity, unit), in base units."""
    placed_at: datetime
    expected_parked: bool
    """The order must end as an exception, not as a Sales Order."""
    may_be_posted: bool
    """Cancelled after it could be posted: having a Sales Order is right, and so is having none."""
    released_at: datetime | None
    hidden: bool
    shipped_through: ShippedThrough
    """`seller`: by API with the seller's tracking number; `label`: the staff buys it in Seller Center;
    `schedule`: by API as a handover to TikTok's carrier; `fbt`: by TikTok's warehouse."""
    line_items: dict[str, tuple[tuple[str, int], ...]]
    """Line id -> (item name, quantity) that one unit takes, of every line."""
    cancelled_lines: dict[str, datetime]
    """Line id -> when this unit alone was cancelled, while the order lived on."""
    shipped: dict[str, LineShipment]
    """Line id -> what TikTok was told; stays when the order is cancelled later."""
    cancelled_at: datetime | None
    """When the whole order was cancelled."""
    open_request: str | None
    """Cancel id of the buyer's request that nobody has answered yet."""
    line_skus: dict[str, str]
    """Line id -> TikTok's sku_id of the listing that was bought, of every line."""
    warehouse_id: str
    """TikTok's id of the warehouse that serves the order."""


_WHY: dict[Status, str] = {
    Status.unpaid: "not paid",
    Status.on_hold: "on hold: the buyer may still cancel",
    Status.cancelled: "cancelled before it could be fulfilled",
}


def truth_of(facts: OrderFacts) -> OrderTruth:
    """The truth about one order."""
    ready = facts.status not in _WHY
    late = facts.status is Status.cancelled and facts.released_at is not None
    impossible = facts.cannot_be_posted
    reason = _WHY.get(facts.status, "to be fulfilled")
    if late:
        reason = "cancelled after it could be fulfilled"
    elif ready and impossible:
        reason = "to be fulfilled, but the books cannot carry it"
    return OrderTruth(
        shop_code=facts.shop,
        order_id=facts.order_id,
        currency=facts.currency,
        status=facts.status.value,
        should_be_posted=ready and not impossible,
        reason=reason,
        owed=facts.owed(),
        quantities=facts.quantities(),
        placed_at=from_epoch(facts.placed_at),
        expected_parked=ready and impossible,
        may_be_posted=late and not impossible,
        released_at=None if facts.released_at is None else from_epoch(facts.released_at),
        hidden=facts.hidden,
        shipped_through=facts.shipped_through,
        line_items={line.id: line.makes for line in facts.lines},
        cancelled_lines={
            line.id: from_epoch(line.cancelled_at or facts.placed_at)
            for line in facts.lines
            if line.cancelled
        },
        shipped={line.id: _told(line.shipped) for line in facts.lines if line.shipped is not None},
        cancelled_at=None if facts.cancelled_at is None else from_epoch(facts.cancelled_at),
        open_request=facts.open_request,
        line_skus={line.id: line.sku_id for line in facts.lines},
        warehouse_id=facts.warehouse_id,
    )


def _told(shipped: Shipped) -> LineShipment:
    return LineShipment(
        shipped.package_id, shipped.tracking, shipped.provider_id, from_epoch(shipped.told_at)
    )
