"""How TikTok shows a return (T 6.4, 6.5)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.sandbox.documents import Document
from tiktok_ns_pipeline.sandbox.facts import ZERO, LineFacts, OrderFacts
from tiktok_ns_pipeline.sandbox.order_store import Order
from tiktok_ns_pipeline.sandbox.return_rules import REASONS, buyer_gets, refund_amounts
from tiktok_ns_pipeline.sandbox.returns import REFUND, REFUNDED, REPLACEMENT, Return, ReturnStatus
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
        "discount_amount": [_discounts(facts, lines)],
        "is_combined_return": False,
        "combined_return_id": "0",
        "is_quick_refund": one.quick,
        "return_line_items": [
            _line(one, index, line, displays.get(line.id)) for index, line in enumerate(lines)
        ],
    }
    # A replacement moves goods without a refund (T 6.5).
    if one.type != REPLACEMENT or one.status in REFUNDED:
        row["refund_amount"] = _refund(facts.currency, *buyer_gets(one, facts))
        for shown, amount in zip(row["return_line_items"], _units(one, facts, lines), strict=True):
            shown["refund_amount"] = _refund(facts.currency, *amount)
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
    row |= _disputed(one, facts.currency)
    if one.deadline is not None and one.status is not ReturnStatus.awaiting_buyer:
        row["seller_next_action_response"] = [{"action": _action(one), "deadline": one.deadline}]
    return row


def record_rows(one: Return) -> list[Document]:
    """What happened to a return, oldest first."""
    return [
        {"event": "ORDER_RETURN", "role": role, "description": text, "note": "", "create_time": at}
        for at, role, text in one.history
    ]


def _action(one: Return) -> str:
    if one.type == REPLACEMENT:
        return "SELLER_RESPOND_REPLACEMENT"
    if one.status is ReturnStatus.shipped:
        return "SELLER_RESPOND_RECEIVE_PACKAGE"
    return "SELLER_RESPOND_REFUND" if one.type == REFUND else "SELLER_RESPOND_RETURN"


def _disputed(one: Return, currency: str) -> Document:
    """What buyer and seller did not agree on, and where a request was edited."""
    shown: Document = {}
    if one.arbitration:
        shown["arbitration_status"] = one.arbitration
    if one.keeps or one.taken:
        shown["can_buyer_keep_item"] = True
    if one.offer:
        shown["seller_proposed_return_type"] = "PARTIAL_REFUND"
        shown["partial_refund"] = {"amount": amount_text(Decimal(one.offer)), "currency": currency}
        shown["buyer_rejected_partial_refund"] = one.offer_refused
    for name, value in (("pre_return_id", one.pre_id), ("next_return_id", one.next_id)):
        if value:
            shown[name] = value
    return shown


def _line(one: Return, index: int, line: LineFacts, display: Document | None) -> Document:
    shown: Document = {
        "return_line_item_id": str(int(one.id) + (index + 1) * _LINE_ID_STEP),
        "order_line_item_id": line.id,
    }
    if display is not None:
        names = ("sku_id", "sku_name", "seller_sku", "product_name")
        shown |= {name: display[name] for name in names}
        shown["product_image"] = {"url": display["sku_image"], "width": 200, "height": 200}
    return shown


def _units(
    one: Return, facts: OrderFacts, lines: Sequence[LineFacts]
) -> list[tuple[Decimal, Decimal, Decimal]]:
    """What the buyer gets for each unit; an offer is spread over all of them."""
    if not one.taken:
        return [refund_amounts(facts, [line.id], whole=False) for line in lines]
    weights = [line.sale_price for line in lines]
    shares = Money(Decimal(one.offer), facts.currency).allocate(weights)
    return [(share.amount, ZERO, ZERO) for share in shares]


def _refund(currency: str, goods: Decimal, fee: Decimal, on_top: Decimal) -> Document:
    percent = _VAT_INSIDE.get(currency)
    tax = on_top if percent is None else (goods * percent / (100 + percent)).quantize(Decimal(1))
    return {
        "currency": currency,
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
