"""How TikTok shows a return (T 6.4, 6.5)."""

from __future__ import annotations

from collections.abc import Sequence

from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts
from tiktok_ns_pipeline.sandbox.order_store import Order
from tiktok_ns_pipeline.sandbox.returning import REASONS, refund_amounts
from tiktok_ns_pipeline.sandbox.returns import REFUND, Return, ReturnStatus
from tiktok_ns_pipeline.sandbox.wire import amount_text

_LINE_ID_STEP = 65_536
# The market's VAT is inside the refund and told of Vietnam (T 6.5).
_VAT_INSIDE = {"VND": 10}


def return_row(one: Return, order: Order) -> Document:
    """A return as lists show it."""
    facts = order.facts
    lines = [line for line in facts.lines if line.id in one.line_ids]
    # Of an order that was made unreadable, ids alone are shown.
    displays = {} if facts.spoiled else {line["id"]: line for line in order.document["line_items"]}
    row: Document = {
        "return_id": one.id,
        "order_id": one.order_id,
        "return_type": one.type,
        "return_status": one.status.value,
        "role": one.role,
        "return_reason": one.reason,
        "return_reason_text": REASONS.get(one.reason, one.reason),
        "create_time": one.created_at,
        "update_time": one.updated_at,
        "refund_amount": _refund(facts, one.line_ids, whole=one.whole),
        "discount_amount": [_discounts(facts, lines)],
        "is_combined_return": False,
        "combined_return_id": "0",
        "is_quick_refund": one.quick,
        "return_line_items": [
            _line(one, index, line, displays.get(line.id), facts) for index, line in enumerate(lines)
        ],
    }
    if one.type != REFUND:
        row |= {
            "shipment_type": "PLATFORM",
            "handover_method": "DROP_OFF",
            "return_method": "PLATFORM_SHIPPED",
            "shipping_fee_amount": [
                {
                    "currency": facts.currency,
                    "seller_paid_return_shipping_fee": "0",
                    "buyer_paid_return_shipping_fee": "0",
                    "platform_paid_return_shipping_fee": "0",
                }
            ],
        }
    if one.tracking:
        row["return_tracking_number"] = one.tracking
        row["return_provider_id"], row["return_provider_name"] = one.provider_id, one.provider
    if one.deadline is not None:
        row["seller_next_action_response"] = [{"action": _action(one), "deadline": one.deadline}]
    return row


def record_rows(one: Return) -> list[Document]:
    """What happened to a return, oldest first."""
    return [
        {"event": "ORDER_RETURN", "role": role, "description": text, "note": "", "create_time": at}
        for at, role, text in one.history
    ]


def _action(one: Return) -> str:
    if one.status is ReturnStatus.shipped:
        return "SELLER_RESPOND_RECEIVE_PACKAGE"
    return "SELLER_RESPOND_REFUND" if one.type == REFUND else "SELLER_RESPOND_RETURN"


def _line(one: Return, index: int, line: LineFacts, display: Document | None, facts: OrderFacts) -> Document:
    shown: Document = {
        "return_line_item_id": str(int(one.id) + (index + 1) * _LINE_ID_STEP),
        "order_line_item_id": line.id,
        "refund_amount": _refund(facts, [line.id], whole=False),
    }
    if display is not None:
        names = ("sku_id", "sku_name", "seller_sku", "product_name")
        shown |= {name: display[name] for name in names}
        shown["product_image"] = {"url": display["sku_image"], "width": 200, "height": 200}
    return shown


def _refund(facts: OrderFacts, line_ids: Sequence[str], *, whole: bool) -> Document:
    goods, fee, on_top = refund_amounts(facts, line_ids, whole=whole)
    percent = _VAT_INSIDE.get(facts.currency)
    tax = on_top if percent is None else (goods * percent / (100 + percent)).quantize(goods)
    return {
        "currency": facts.currency,
        "refund_total": amount_text(goods + fee + on_top),
        "refund_subtotal": amount_text(goods),
        "refund_shipping_fee": amount_text(fee),
        "refund_tax": amount_text(tax),
    }


def _discounts(facts: OrderFacts, lines: Sequence[LineFacts]) -> Document:
    return {
        "currency": facts.currency,
        "product_seller_discount": amount_text(sum((line.seller_discount for line in lines), ZERO)),
        "product_platform_discount": amount_text(sum((line.platform_discount for line in lines), ZERO)),
        "shipping_fee_seller_discount": "0",
        "shipping_fee_platform_discount": "0",
    }
