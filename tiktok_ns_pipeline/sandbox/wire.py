"""How TikTok shows an order: the document of the API, from the facts of the world (T 3.3 to 3.6).

`order_document` writes it once, when the order is placed; the `show_...` functions change it as the
order lives. An order keeps the *habits* it was born with, as real answers do: how amounts are
written, whether a value that is not there is left out, empty, "0" or null, and whether keys appear
that no documentation names.

Invariant: the identities of T 3.4 and 3.5 hold in every document that nobody spoiled, except that
after a partial cancellation the header may still count what was cancelled (T 3.5).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.sandbox.catalogue import Listing, Shop, listing_of, shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts, Status
from tiktok_ns_pipeline.sandbox.markets import SELLER_OPTION, TIKTOK_OPTION
from tiktok_ns_pipeline.sandbox.packages import Package
from tiktok_ns_pipeline.sandbox.shown_packages import show_packages

# Mid-August 2026: TikTok's own shipping shows no phone and address of US buyers any more (T 9.3).
_US_MASKING_SINCE = 1_786_752_000

_DAY = 86_400

CANCELLED_AFTER_DAYS = 10
"""So long after its release an order that nobody arranged may be cancelled by TikTok."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How one order's values are written."""

    two_decimals: bool = False
    absent: str = "omit"
    """What stands for a value that is not there: omit, empty, zero or null."""
    header_follows: bool = True
    """Whether the payment block forgets lines that were cancelled."""
    surprises: bool = False
    """Whether undocumented keys appear."""

    @classmethod
    def drawn(cls, chance: random.Random) -> Habits:
        """Habits as varied as production shows them (T 0)."""
        return cls(
            two_decimals=chance.random() < 0.12,
            absent=chance.choices(("omit", "empty", "zero", "null"), (70, 14, 8, 8))[0],
            header_follows=chance.random() < 0.5,
            surprises=chance.random() < 0.1,
        )


def amount_text(amount: Decimal, two_decimals: bool = False) -> str:
    """An amount as TikTok writes it: usually without trailing zeros ("13.3", "35")."""
    if two_decimals and amount == amount.quantize(Decimal("0.01")):
        return format(amount.quantize(Decimal("0.01")), "f")
    text = format(amount, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def order_document(
    facts: OrderFacts,
    listings: Sequence[Listing],
    *,
    habits: Habits,
    flags: Document,
    buyer: Document,
    warehouse_id: str,
    packages: Sequence[Package] = (),
) -> Document:
    """The document of an order that was just placed; `listings` go with the lines one by one."""
    shop = shop_of(facts.shop)
    whole = habits.two_decimals and facts.currency != "VND"
    order: Document = {
        "id": facts.order_id,
        "status": facts.status.value,
        "create_time": facts.placed_at,
        "update_time": facts.placed_at,
        **buyer,
        "fulfillment_type": "FULFILLMENT_BY_TIKTOK" if facts.by_tiktok_warehouse else "FULFILLMENT_BY_SELLER",
        "shipping_type": "SELLER" if facts.by_seller else "TIKTOK",
        "delivery_type": "HOME_DELIVERY",
        "delivery_option_id": SELLER_OPTION if facts.by_seller else TIKTOK_OPTION,
        "delivery_option_name": "Standard shipping",
        "warehouse_id": warehouse_id,
        "commerce_platform": "TIKTOK_SHOP",
        "order_type": "NORMAL",
        "is_cod": False,
        "is_sample_order": False,
        "is_on_hold_order": facts.status in {Status.on_hold, Status.unpaid},
        "is_buyer_request_cancel": False,
        "has_updated_recipient_address": False,
        "is_replacement_order": False,
        "is_exchange_order": False,
        **deadlines(facts.placed_at),
        "payment": {},
        "line_items": [
            _line(line, listing, facts.currency, whole)
            for line, listing in zip(facts.lines, listings, strict=True)
        ],
        **flags,
    }
    order["payment"] = payment_block(facts, shop, facts.lines, two_decimals=whole)
    _share_fees(order, facts, whole)
    _show_absent(order, habits)
    if habits.surprises:
        order["room_id"] = "7412000000000000001"
        order["x_undocumented"] = {"since": "2027", "values": [1, "two", None]}
        order["line_items"][0]["listing_flags_v2"] = ["TEMPORARY"]
    show_status(order, facts, packages, facts.placed_at)
    return order


def deadlines(released_at: int) -> Document:
    """By when the order is to be arranged, collected and delivered, and when TikTok gives it up (T 3.2)."""
    return {
        "rts_sla_time": released_at + 2 * _DAY,
        "tts_sla_time": released_at + 3 * _DAY,
        "delivery_sla_time": released_at + 9 * _DAY,
        "shipping_due_time": released_at + 10 * _DAY,
        "collection_due_time": released_at + 12 * _DAY,
        "delivery_due_time": released_at + 30 * _DAY,
        "cancel_order_sla_time": released_at + CANCELLED_AFTER_DAYS * _DAY,
    }


def payment_block(
    facts: OrderFacts, shop: Shop, lines: Iterable[LineFacts], *, two_decimals: bool = False
) -> Document:
    """The payment block over the given lines, with the identities of T 3.4."""
    lines = list(lines)
    listed = sum((line.price for line in lines), ZERO)
    seller = sum((line.seller_discount for line in lines), ZERO)
    platform = sum((line.platform_discount for line in lines), ZERO)
    product_tax = sum((line.tax for line in lines), ZERO)
    shipping = facts.shipping
    sub_total = listed - seller - platform
    on_top = product_tax + shipping.tax if shop.taxes == "on top" else ZERO
    fees = sum(facts.fees.values(), ZERO)

    def text(amount: Decimal) -> str:
        return amount_text(amount, two_decimals)

    block: Document = {
        "currency": facts.currency,
        "original_total_product_price": text(listed),
        "seller_discount": text(seller),
        "platform_discount": text(platform),
        "sub_total": text(sub_total),
        "original_shipping_fee": text(shipping.original),
        "shipping_fee_seller_discount": text(shipping.seller_discount),
        "shipping_fee_platform_discount": text(shipping.platform_discount),
        "shipping_fee_cofunded_discount": text(shipping.cofunded_discount),
        "shipping_fee": text(shipping.fee),
        "total_amount": text(sub_total + shipping.fee + on_top + fees),
        **{name: text(amount) for name, amount in facts.fees.items()},
    }
    if shop.taxes == "on top":
        block |= {
            "tax": text(on_top),
            "product_tax": text(product_tax),
            "shipping_fee_tax": text(shipping.tax),
        }
    elif shop.region == "VN":
        # Contained in the prices, not added (T 3.4).
        inside = (sub_total * shop.vat_percent / (100 + shop.vat_percent)).quantize(Decimal(1))
        block |= {"tax": text(inside), "product_tax": text(inside), "shipping_fee_tax": "0"}
    return block


def show_status(order: Document, facts: OrderFacts, packages: Sequence[Package], at: int) -> None:
    """Let the document follow `facts.status`, which was entered at `at`, and the order's packages."""
    order["status"] = facts.status.value
    moment = _MOMENTS.get(facts.status)
    if moment:
        order[moment] = at
    if facts.status is Status.awaiting_shipment:
        order |= deadlines(facts.released_at or at)
    show_packages(order, facts, packages, at)
    show_address(order, facts)


def show_address(order: Document, facts: OrderFacts) -> None:
    """Show as much of the address as this status and market let the seller see (T 3.6)."""
    if facts.status in {Status.unpaid, Status.on_hold}:
        order.pop("recipient_address", None)
        if int(facts.order_id[-1]) % 2:
            order["recipient_address"] = {}
        return
    order["recipient_address"] = _seen_address(facts, order["update_time"])


def show_lines(order: Document, facts: OrderFacts, at: int, *, reason: str, by: str = "BUYER") -> None:
    """Let the lines follow the facts after some were cancelled."""
    for line, display in zip(facts.lines, order["line_items"], strict=False):
        if line.cancelled and display.get("display_status") != Status.cancelled.value:
            display["display_status"] = Status.cancelled.value
            display["cancel_reason"] = reason
            display["cancel_user"] = by
    if facts.header_follows:
        block = payment_block(facts, shop_of(facts.shop), facts.active_lines)
        order["payment"] |= block
    order["update_time"] = max(at, order["update_time"])


# Field that holds the moment at which a state was entered (T 3.3).
_MOMENTS: dict[Status, str] = {
    Status.awaiting_collection: "rts_time",
    Status.in_transit: "collection_time",
    Status.delivered: "delivery_time",
    Status.cancelled: "cancel_time",
}


def _line(line: LineFacts, listing: Listing, currency: str, whole: bool) -> Document:
    display: Document = {
        "id": line.id,
        "product_id": listing.product_id,
        "product_name": listing.name,
        "sku_id": listing.sku_id,
        "sku_name": listing.variant,
        "sku_image": "https://images.example/sample.jpeg",
        "sku_type": "NORMAL",
        "seller_sku": listing.seller_sku,
        "currency": currency,
        "original_price": amount_text(line.price, whole),
        "seller_discount": amount_text(line.seller_discount, whole),
        "platform_discount": amount_text(line.platform_discount, whole),
        "sale_price": amount_text(line.sale_price, whole),
        "is_gift": line.gift,
    }
    if line.gift:
        display["gift_retail_price"] = amount_text(listing.prices.get(currency, ZERO), whole)
    if line.tax:
        rate = line.tax / (line.sale_price or line.price)
        display["item_tax"] = [
            {
                "tax_type": "SALES_TAX",
                "tax_amount": amount_text(line.tax, whole),
                "tax_rate": format(rate.quantize(Decimal("0.0001")), "f"),
            }
        ]
    if listing.components:
        display["combined_listing_skus"] = [_component(sku, count) for sku, count in listing.components]
    return display


def _component(seller_sku: str, count: int) -> Document:
    listing = listing_of(seller_sku)
    if listing is None:
        return {"seller_sku": seller_sku, "sku_count": count}
    return {
        "product_id": listing.product_id,
        "sku_id": listing.sku_id,
        "seller_sku": seller_sku,
        "sku_count": count,
    }


# Buyer fees that the lines repeat as their share (T 3.5).
_SHARED_FEES = ("small_order_fee", "retail_delivery_fee", "buyer_service_fee")


def _share_fees(order: Document, facts: OrderFacts, whole: bool) -> None:
    for name in _SHARED_FEES:
        if name in facts.fees:
            order["line_items"][0][name] = amount_text(facts.fees[name], whole)


# What an ordinary order may lack, and how its absence looks besides being left out.
_ORDER_TEXTS = (
    "seller_note",
    "tracking_number",
    "shipping_provider",
    "shipping_provider_id",
    "cancel_reason",
)
_ORDER_TIMES = ("rts_time", "collection_time", "release_date", "cancel_time")
_LINE_TEXTS = ("package_id", "tracking_number", "cancel_reason", "shipping_provider_name")
_ABSENT: dict[str, tuple[Any, Any, Any]] = {
    # absence: (text, time, amount)
    "empty": ("", 0, ""),
    "zero": ("", 0, "0 "),
    "null": (None, None, None),
}


def _show_absent(order: Document, habits: Habits) -> None:
    shapes = _ABSENT.get(habits.absent)
    if shapes is None:
        return
    text, time, amount = shapes
    for name in _ORDER_TEXTS:
        order.setdefault(name, text)
    for name in _ORDER_TIMES:
        order.setdefault(name, time)
    order.setdefault("split_or_combine_tag", text)
    order.setdefault("replaced_order_id", text)
    order["payment"].setdefault("buyer_service_fee", amount)
    order["payment"].setdefault("small_order_fee", amount)
    for line in order["line_items"]:
        line.setdefault("combined_listing_skus", [])
        for name in _LINE_TEXTS:
            line.setdefault(name, text)
        line.setdefault("gift_retail_price", amount)


# Parts of an address that masking hides, everywhere.
_PERSONAL = (
    "name",
    "first_name",
    "last_name",
    "phone_number",
    "address_detail",
    "address_line1",
    "address_line2",
    "full_address",
)
_US_PERSONAL = (*_PERSONAL, "postal_code", "delivery_preferences")
_US_PHONE_AND_STREET = ("phone_number", "address_detail", "address_line1", "address_line2", "full_address")


def _seen_address(facts: OrderFacts, at: int) -> Document:
    clear = facts.address
    region = clear.get("region_code")
    if region == "US":
        if facts.by_tiktok_warehouse or facts.status is Status.cancelled:
            hidden_levels = ("L4",) if facts.status is not Status.cancelled else ("L3", "L4")
            return _masked(clear, _US_PERSONAL, hidden_levels)
        if not facts.by_seller and at >= _US_MASKING_SINCE:
            return _masked(clear, _US_PHONE_AND_STREET, ())
        return dict(clear)
    return dict(clear) if facts.by_seller else _masked(clear, _PERSONAL, ())


def _masked(clear: Document, names: Iterable[str], hidden_levels: tuple[str, ...]) -> Document:
    seen = {key: _stars(value) if key in names else value for key, value in clear.items()}
    if "delivery_preferences" in names:
        seen.pop("delivery_preferences", None)
    seen["district_info"] = [
        {**district, "address_name": _stars(district["address_name"])}
        if district["address_level"] in hidden_levels
        else district
        for district in clear.get("district_info", ())
    ]
    return seen


def _stars(value: Any) -> str:
    text = str(value)
    return f"{text[:1]}{'*' * 5}" if text else ""
