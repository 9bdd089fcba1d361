"""What each system says of shipments, closures and bills, in the words of the proof.

A raw order becomes a `TikTokOrder`, rows of SuiteQL become Sales Orders, Item Fulfillments and bills.
Ages of NetSuite's records are differences on the account's own clock, so that its zone does not matter
(N 3.5). What cannot be read stays in the proof, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any, Literal

from tiktok_ns_pipeline.lake.orders import order_name
from tiktok_ns_pipeline.mapping.models import Mapping as SellerMapping
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.money import Money, MoneyError
from tiktok_ns_pipeline.netsuite.values import to_bool, to_decimal, to_instant
from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Bill,
    BilledLine,
    Fulfilment,
    OrderLine,
    OrderState,
    SalesOrder,
    TikTokOrder,
    Unit,
    UnitState,
)
from tiktok_ns_pipeline.reconciliation.orders import Expectation
from tiktok_ns_pipeline.reconciliation.sides import order_in_external_id, tiktok_side
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.identities import active_lines
from tiktok_ns_pipeline.tiktok.lifecycle import FULFILMENT, ORDER_STATUS
from tiktok_ns_pipeline.tiktok.models import LineItem, Order

Row = Mapping[str, str]

_ZERO = Decimal(0)

UNIT_STATE: dict[str, UnitState] = {
    "UNPAID": "open",
    "ON_HOLD": "open",
    "TO_SHIP": "open",
    "AWAITING_SHIPMENT": "open",
    "AWAITING_COLLECTION": "arranged",
    "IN_TRANSIT": "collected",
    "DELIVERED": "collected",
    "COMPLETED": "collected",
    "CANCELLED": "cancelled",
}
"""What a unit's `display_status` says of its goods (T 3.2, 3.5)."""

_STATE: dict[str, OrderState] = {"waits": "waits", "posts": "alive", "ended": "cancelled"}

_CARRIER: dict[str | None, Literal["seller", "channel"]] = {"TIKTOK": "channel", "TIKTOK_DIGITAL": "channel"}
"""Whose carrier takes the parcel, by `shipping_type`; the seller's where nothing else is said (T 4.1)."""


def tiktok_order(raw: Any, shop: Shop, mapping: SellerMapping) -> TikTokOrder:
    """What TikTok says of a raw order. Never raises: an order that cannot be read says so itself."""
    order_id = order_name(raw)
    try:
        order = Order.parse(raw)
    except WireError as wrong:
        return TikTokOrder(order_id, None, "unknown", unreadable=f"{wrong.field} {wrong.reason}")
    packer = packed_by(order, mapping)
    carried_by = _CARRIER.get(order.shipping_type, "seller")
    ends = "channel" in (packer, carried_by)
    posted = tiktok_side(raw, shop, mapping.special_orders)
    is_wanted = posted.expectation is not Expectation.NOT_POSTED
    return TikTokOrder(
        order_id=order_id,
        status=order.status,
        state=_state(order),
        units=tuple(_unit(line, order, by_collection=ends) for line in order.line_items),
        packed_by=packer,
        carried_by=carried_by,
        is_before_go_live=shop.is_before_go_live(order.create_time),
        not_expected="" if is_wanted else posted.reason,
        changed_at=order.update_time,
        cancelled_at=order.cancel_time,
    )


def packed_by(order: Order, mapping: SellerMapping) -> Literal["seller", "channel"]:
    """Who packs an order: the seller, or TikTok (FBT)."""
    stated = FULFILMENT.get(order.fulfillment_type or "")
    if stated is not None:
        return stated
    warehouse = mapping.warehouses.get(order.warehouse_id or "")
    return warehouse.fulfilment if warehouse else "seller"


def sales_order(order_id: str, row: Row, lines: Iterable[Row], account_now: str) -> SalesOrder:
    """A Sales Order of this order, from its row and the rows of its lines."""
    return SalesOrder(
        netsuite_id=row["id"],
        order_id=order_id,
        tran_id=row.get("tranid"),
        status=row.get("status"),
        total=money(row),
        lines=tuple(_order_line(line) for line in lines),
        unchanged_for=age(row.get("modified_at"), account_now),
    )


def fulfilment(rows: Sequence[Row], tracking: Sequence[str], account_now: str, order_id: str) -> Fulfilment:
    """An Item Fulfillment, from the rows of its lines."""
    first = rows[0]
    quantities: dict[str, Decimal] = {}
    for row in rows:
        # Members of a kit stand under the line of the kit, which counts (N 5.5).
        if row.get("kitmemberof") is None and row.get("order_line"):
            quantity = _number(row, "quantity") or _ZERO
            quantities[row["order_line"]] = quantities.get(row["order_line"], _ZERO) + quantity
    return Fulfilment(
        netsuite_id=first["id"],
        sales_order_id=first["sales_order"],
        tran_id=first.get("tranid"),
        status=first.get("status"),
        quantities=quantities,
        tracking=tuple(dict.fromkeys(number.strip() for number in tracking if number.strip())),
        unchanged_for=age(first.get("modified_at"), account_now),
        order_id=order_id,
        dated=_day(first.get("tran_date")),
    )


def bill(rows: Sequence[Row], order_id: str) -> Bill:
    """An Invoice or Cash Sale, from the rows of its lines, or from one without a Sales Order."""
    first = rows[0]
    lines: dict[str, BilledLine] = {}
    for row in rows:
        if row.get("order_line"):
            # A line without a quantity, such as a discount, counts as one.
            quantity = _number(row, "quantity")
            taken = BilledLine(Decimal(1) if quantity is None else quantity, _number(row, "amount") or _ZERO)
            lines[row["order_line"]] = taken
    return Bill(
        netsuite_id=first["id"],
        tran_id=first.get("tranid"),
        total=money(first),
        sales_order_id=first.get("sales_order"),
        order_id=order_id,
        lines=lines,
    )


def named_order(row: Row, shop: Shop, among: Mapping[str, object]) -> str | None:
    """Which of these orders a Sales Order belongs to: the one in its external id, else in its
    correlation field; None where it belongs to none of them."""
    claims = (order_in_external_id(row.get("externalid"), shop.code), row.get("order_id"))
    return next((claim for claim in claims if claim and claim in among), None)


def money(row: Row) -> Money | None:
    """`foreigntotal`, in the transaction's currency (N 3.4); None where it is not told."""
    total, currency = _number(row, "foreigntotal"), row.get("currency")
    try:
        return None if total is None or currency is None else Money(total, currency)
    except MoneyError:
        return None


def age(modified_at: str | None, account_now: str) -> timedelta | None:
    """Time since a record's last change; both texts are of the account's clock, whatever its zone."""
    try:
        now, changed = to_instant(account_now, UTC), to_instant(modified_at, UTC)
    except ValueError:
        return None
    return None if now is None or changed is None else now - changed


def _state(order: Order) -> OrderState:
    meaning = ORDER_STATUS.get(order.status)
    if meaning is None:
        return "unknown"
    if meaning == "posts" and order.line_items and not active_lines(order):
        return "cancelled"
    return _STATE[meaning]


def _unit(line: LineItem, order: Order, *, by_collection: bool) -> Unit:
    status = line.display_status or order.status
    state = UNIT_STATE.get(status, "unknown")
    if order.status == "CANCELLED":
        status, state = "CANCELLED", "cancelled"
    return Unit(
        line_id=line.id,
        status=status,
        state=state,
        tracking=line.tracking_number,
        told=state in ("arranged", "collected") or bool(line.tracking_number or line.rts_time),
        # The collection of a package is told for the order alone.
        moved_at=order.collection_time if by_collection else line.rts_time or order.rts_time,
    )


def _order_line(row: Row) -> OrderLine:
    ids = tuple(name.strip() for name in row.get("line_ids", "").split(",") if name.strip())
    return OrderLine(
        number=row["line"],
        item=row.get("item"),
        unit_ids=ids,
        ordered=_number(row, "quantity"),
        amount=_number(row, "amount"),
        is_closed=to_bool(row.get("isclosed")) or False,
    )


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None


def _number(row: Row, name: str) -> Decimal | None:
    try:
        return to_decimal(row.get(name))
    except ValueError:
        return None
