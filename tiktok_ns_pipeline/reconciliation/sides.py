"""What each system says, in the words of the proof.

A raw order becomes a `TikTokSide`, a row of SuiteQL a `NetSuiteSide`. Whether a Sales Order should
exist follows from the order's status (T 3.2) and the mapping's rules for special orders, and what it
should come to from what TikTok owes the seller: the same rules that staging obeys, applied to a
fresh reading. An order that cannot be read stays in the proof, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.lake.orders import order_name
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.mapping.special_orders import SpecialOrders, decide, flags_of
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.reconciliation.orders import Expectation, NetSuiteSide, TikTokSide
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.identities import HEAD_AFTER_CANCELLATION, active_lines
from tiktok_ns_pipeline.tiktok.lifecycle import ORDER_STATUS, WAITING_REASON
from tiktok_ns_pipeline.tiktok.models import Order, PriceDetail
from tiktok_ns_pipeline.tiktok.owed import OwedReading, seller_owed

_HOLD = timedelta(hours=1)
"""How long a buyer may cancel freely (T 3.2)."""

_CURRENCY = re.compile(r"[A-Z]{3}")


def external_id_prefix(shop_code: str) -> str:
    """What the external ids of a shop's Sales Orders begin with (DESIGN 4)."""
    return f"tts-{shop_code}-so-"


def external_id(shop_code: str, order_id: str) -> str:
    """The external id of an order's Sales Order (DESIGN 4)."""
    return external_id_prefix(shop_code) + order_id


def tiktok_side(
    raw: Any, shop: Shop, special_orders: SpecialOrders, price_detail: PriceDetail | None = None
) -> TikTokSide:
    """What TikTok says of a raw order. Never raises: an order that cannot be read says so itself."""
    order_id = order_name(raw)
    key = external_id(shop.code, order_id)
    try:
        order = Order.parse(raw)
    except WireError as wrong:
        return TikTokSide(order_id, key, None, Expectation.UNKNOWN, f"{wrong.field} {wrong.reason}")
    reading = _owed(order, shop, price_detail)
    expectation, reason = _expectation(order, reading, shop, special_orders)
    return TikTokSide(
        order_id=order_id,
        external_id=key,
        status=order.status,
        expectation=expectation,
        reason=reason,
        owed=Money(reading.owed.total, reading.owed.currency) if reading.owed and reading.is_sound else None,
        postable_since=_postable_since(order),
        changed_at=order.update_time,
    )


def is_left_out(order: Order, shop: Shop, rules: SpecialOrders) -> bool:
    """Whether an order will never have a Sales Order, whatever becomes of it: the shop's books began
    later, or the mapping skips its kind."""
    if shop.is_before_go_live(order.create_time):
        return True
    return _why_skipped(order, _owed(order, shop, None), rules) is not None


def needs_price_detail(raw: Any, shop: Shop) -> bool:
    """Whether only TikTok's calculated price can tell what the order owes (T 3.5, 3.7)."""
    try:
        reading = _owed(Order.parse(raw), shop, None)
    except WireError:
        return False
    return any(found.field == HEAD_AFTER_CANCELLATION for found in reading.contradictions)


def netsuite_side(row: Mapping[str, str], shop_code: str) -> NetSuiteSide:
    """What NetSuite says of a Sales Order, from a row of the proof's queries.

    Without a correlation field, the order is the one that the external id names.
    """
    currency = row.get("currency", "")
    return NetSuiteSide(
        netsuite_id=row["id"],
        external_id=row.get("externalid"),
        order_id=row.get("order_id") or order_in_external_id(row.get("externalid"), shop_code),
        status=row.get("status"),
        tran_id=row.get("tranid"),
        total=_total(row),
        currency=currency if _CURRENCY.fullmatch(currency) else None,
    )


def order_in_external_id(value: str | None, shop_code: str) -> str | None:
    """The order that an external id of ours names; case does not count (N 2.6)."""
    prefix = external_id_prefix(shop_code)
    return value[len(prefix) :] if value and value.lower().startswith(prefix) else None


def _owed(order: Order, shop: Shop, price_detail: PriceDetail | None) -> OwedReading:
    return seller_owed(
        order,
        channel_ships_pays_seller=shop.channel_ships_pays_seller,
        cofunded_paid_by_seller=shop.cofunded_paid_by_seller,
        price_detail=price_detail,
    )


def _expectation(
    order: Order, reading: OwedReading, shop: Shop, rules: SpecialOrders
) -> tuple[Expectation, str]:
    meaning = ORDER_STATUS.get(order.status)
    if meaning is None:
        return Expectation.UNKNOWN, f"its status {order.status} is not known"
    if meaning == "ended":
        return Expectation.CANCELLED, "the order is cancelled"
    why_not = _why_not_posted(order, reading, shop, rules)
    if why_not is not None:
        return Expectation.NOT_POSTED, why_not
    if not reading.is_sound:
        return Expectation.UNKNOWN, "; ".join(found.message for found in reading.contradictions)
    return Expectation.POSTED, ""


def _why_not_posted(order: Order, reading: OwedReading, shop: Shop, rules: SpecialOrders) -> str | None:
    """Why there should be no Sales Order; None where there should be one."""
    if shop.is_before_go_live(order.create_time):
        return f"the order was placed before {shop.orders_since}, the shop's first day"
    if order.status in WAITING_REASON:
        return WAITING_REASON[order.status]
    if order.line_items and not active_lines(order):
        return "every line is cancelled"
    return _why_skipped(order, reading, rules)


def _why_skipped(order: Order, reading: OwedReading, rules: SpecialOrders) -> str | None:
    owed = reading.owed.total if reading.owed and reading.is_sound else None
    decision = decide(flags_of(order, owed), rules)
    return f"the mapping skips {decision.kind} orders: {decision.rule.reason}" if decision.skips else None


def _postable_since(order: Order) -> datetime | None:
    """From when on the order could have been posted, as far as it tells.

    Its last change may be the one that released it while it awaits shipment. Once shipping has
    begun it must have been released before, at the end of its hold at the latest.
    """
    if order.status == "AWAITING_SHIPMENT":
        return order.update_time
    placed = order.paid_time or order.create_time
    if placed is None:
        return order.update_time
    return placed + _HOLD if order.is_on_hold_order else placed


def _total(row: Mapping[str, str]) -> Decimal | None:
    """`foreigntotal`: in the transaction's currency, not the subsidiary's (N 3.4)."""
    try:
        return to_decimal(row.get("foreigntotal"))
    except ValueError:
        return None
