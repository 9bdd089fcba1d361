"""Orders that are placed exactly as told, by tests, demos and people (`World.place_order`)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from tiktok_ns_pipeline.sandbox import shoppers
from tiktok_ns_pipeline.sandbox.catalogue import Listing, Shop, listing_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts, ShippingFacts, Status
from tiktok_ns_pipeline.sandbox.shoppers import Draft
from tiktok_ns_pipeline.sandbox.wire import Habits


@dataclass(frozen=True, slots=True)
class Line:
    """What a placed order buys: `quantity` units, each at these amounts in the shop's currency.

    `sku` is a `seller_sku`; one that the catalogue does not know is a stray. Without a price, the
    catalogue's is taken. `tax` is sales tax on top of the unit's price.
    """

    sku: str
    quantity: int = 1
    price: str | Decimal | None = None
    seller_discount: str | Decimal = "0"
    platform_discount: str | Decimal = "0"
    tax: str | Decimal = "0"
    gift: bool = False


class OrderOptions(TypedDict, total=False):
    """What else can be said of a placed order; see `World.place_order`."""

    status: Status | str
    shipping: ShippingFacts
    by_seller: bool
    by_tiktok_warehouse: bool
    fees: Mapping[str, Decimal]
    flags: Document
    address: Document
    warehouse_id: str
    placed_at: datetime
    habits: Habits
    plan: dict[str, list[tuple[float, str]]]
    order_id: str
    buyer: int
    """Number of the buyer, for several orders of one."""


def draft_of(
    place: Shop, lines: Sequence[Line | str], options: OrderOptions, *, number: int, seed: int, at: int
) -> Draft:
    """The order as told, which is to be the world's n-th, placed at `at` (Unix seconds)."""
    units, listings = _units(lines, place)
    facts = OrderFacts(
        shop=place.key,
        order_id=options.get("order_id") or shoppers.order_id_of(number),
        currency=place.currency,
        placed_at=at,
        lines=units,
        shipping=options.get("shipping", ShippingFacts()),
        by_seller=options.get("by_seller", not options.get("by_tiktok_warehouse", False)),
        by_tiktok_warehouse=options.get("by_tiktok_warehouse", False),
        fees=dict(options.get("fees", {})),
        status=Status(options.get("status", Status.awaiting_shipment)),
        plan=options.get("plan", {}),
    )
    for index, unit in enumerate(units):
        unit.id = shoppers.line_id_of(number, index)
    chance = random.Random(f"placed {seed} {number}")
    facts.address = options.get("address") or shoppers.any_address(place.region, chance)[1]
    warehouse = place.fbt_warehouse if facts.by_tiktok_warehouse else None
    return Draft(
        facts,
        listings,
        options.get("habits", Habits()),
        options.get("flags", {}),
        shoppers.buyer_of(options.get("buyer", number), chance),
        options.get("warehouse_id") or warehouse or place.warehouses[0],
    )


def _units(lines: Sequence[Line | str], shop: Shop) -> tuple[list[LineFacts], list[Listing]]:
    units: list[LineFacts] = []
    listings: list[Listing] = []
    for line in (Line(line) if isinstance(line, str) else line for line in lines):
        listing = listing_of(line.sku) or Listing(
            "1729999000000000001", "1729999000000000000", line.sku, "Stray", "", {}, ()
        )
        price = Decimal(line.price) if line.price is not None else listing.prices.get(shop.currency, ZERO)
        for _ in range(line.quantity):
            listings.append(listing)
            units.append(
                LineFacts(
                    "",
                    listing.makes,
                    price,
                    Decimal(line.seller_discount),
                    Decimal(line.platform_discount),
                    Decimal(line.tax),
                    line.gift,
                    sku_id=listing.sku_id,
                )
            )
    return units, listings
