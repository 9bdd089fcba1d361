"""How TikTok shows a cancellation (T 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tiktok_ns_pipeline.sandbox import cancel_reasons
from tiktok_ns_pipeline.sandbox.cancellations import Cancellation, CancelStatus
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts
from tiktok_ns_pipeline.sandbox.order_store import Order
from tiktok_ns_pipeline.sandbox.wire import amount_text

_LINE_ID_STEP = 65_536


def cancellation_row(one: Cancellation, order: Order) -> Document:
    """A cancellation as lists show it; nothing is refunded where nothing was paid."""
    facts = order.facts
    cancelled = set(one.line_ids)
    lines = [line for line in facts.lines if line.id in cancelled]
    # Of an order that was made unreadable, ids alone are shown.
    displays = {} if facts.spoiled else {line["id"]: line for line in order.document["line_items"]}
    shipping = facts.shipping
    row: Document = {
        "cancel_id": one.id,
        "order_id": one.order_id,
        "cancel_type": one.type,
        "cancel_status": one.status.value,
        "cancel_reason": one.reason,
        "cancel_reason_text": cancel_reasons.text_of(one.reason, shop_of(one.shop).region),
        "role": one.role,
        "create_time": one.created_at,
        "update_time": one.updated_at,
        "should_replenish_stock": cancel_reasons.replenishes(one.reason),
        "cancel_line_items": [
            _line(one, index, line, displays.get(line.id), facts.currency) for index, line in enumerate(lines)
        ],
    }
    if one.paid:
        fee, tax = (shipping.fee, shipping.tax) if one.whole else (ZERO, ZERO)
        row["refund_amount"] = _refund(lines, facts.currency, fee, tax)
    if one.status is CancelStatus.pending:
        row["seller_next_action_response"] = [{"action": "SELLER_RESPOND_CANCEL", "deadline": one.deadline}]
    return row


def _line(
    one: Cancellation, index: int, line: LineFacts, display: Document | None, currency: str
) -> Document:
    names = ("sku_id", "sku_name", "seller_sku", "product_name")
    shown: Document = {
        "cancel_line_item_id": str(int(one.id) + (index + 1) * _LINE_ID_STEP),
        "order_line_item_id": line.id,
    }
    if display is not None:
        shown |= {name: display[name] for name in names}
        shown["product_image"] = {"url": display["sku_image"], "width": 200, "height": 200}
    if one.paid:
        shown["refund_amount"] = _refund([line], currency, ZERO, ZERO)
    return shown


def _refund(lines: Sequence[LineFacts], currency: str, fee: Decimal, shipping_tax: Decimal) -> Document:
    goods = sum((line.sale_price for line in lines), ZERO)
    tax = sum((line.tax for line in lines), ZERO) + shipping_tax
    return {
        "currency": currency,
        "refund_total": amount_text(goods + fee + tax),
        "refund_subtotal": amount_text(goods),
        "refund_shipping_fee": amount_text(fee),
        "refund_tax": amount_text(tax),
    }
